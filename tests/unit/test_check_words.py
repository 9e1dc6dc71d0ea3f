"""The core's neutrality and the files' portability are really checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import check_words


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize(
    "line",
    [
        "device_id = 1",
        "class DeviceMessage: ...",
        "# one row per cow",
        "topic = 'parking-zones'",
        "THERMOSTAT = 1",
        "def trains(): ...",
        "getVehicleById()",
        "buses = 3",
    ],
)
def test_a_word_of_a_domain_in_the_core_is_found(tmp_path: Path, line: str) -> None:
    write(tmp_path, "src/wayside/broker/log.py", line + "\n")
    assert len(check_words.check_tree(tmp_path)) == 1


@pytest.mark.parametrize(
    "line", ["restraint = constrained", "# scowl at the business", "abusive = columbus", "training = trained"]
)
def test_words_that_only_contain_one_pass(tmp_path: Path, line: str) -> None:
    write(tmp_path, "src/wayside/broker/log.py", line + "\n")
    assert check_words.check_tree(tmp_path) == []


def test_the_allow_list_holds_where_it_says_and_nowhere_else(tmp_path: Path) -> None:
    write(tmp_path, "src/wayside/models/fit.py", "def train(): ...\n")
    write(tmp_path, "src/wayside/metrics.py", "# bytes in transit on the event bus\n")
    assert check_words.check_tree(tmp_path) == []
    write(tmp_path, "src/wayside/hot/store.py", "def train(): ...\n")
    problem = "src/wayside/hot/store.py:1: 'train' is a word of a concrete domain; the core knows none"
    assert check_words.check_tree(tmp_path) == [problem]


def test_a_file_name_counts_and_domains_may_speak_of_their_world(tmp_path: Path) -> None:
    write(tmp_path, "src/wayside_domains/devices/records.py", "device_id = 1\n")
    assert check_words.check_tree(tmp_path) == []
    write(tmp_path, "src/wayside/cows.py", "")
    assert len(check_words.check_tree(tmp_path)) == 1


@pytest.mark.parametrize("path", ["/wor" + "k/x", "/roo" + "t/.cache", "/hom" + "e/ann/wayside", "/Use" + "rs/bob/w"])
def test_paths_of_one_machine_are_found_in_any_file(tmp_path: Path, path: str) -> None:
    write(tmp_path, "docs/how.md", f"Look into {path} for more.\n")
    assert len(check_words.check_tree(tmp_path)) == 1


def test_addresses_and_general_paths_are_no_machine_paths(tmp_path: Path) -> None:
    text = "https://example.org/work/1 docs/work/x ~/home/x /var/lib/wayside /tmp/x $HOME/work/\n"
    write(tmp_path, "docs/how.md", text)
    assert check_words.check_tree(tmp_path) == []


def test_locks_name_no_mirror(tmp_path: Path) -> None:
    public = "https://pypi" + ".org/simple"
    write(tmp_path, "uv.lock", f'source = {{ registry = "{public}" }}\n')
    lock = {"packages": {"": {}, "node_modules/a": {"integrity": "sha512-x"}, "node_modules/b": {"link": True}}}
    write(tmp_path, "web/package-lock.json", json.dumps(lock))
    assert check_words.check_tree(tmp_path) == []
    write(tmp_path, "uv.lock", 'source = { registry = "https://mirror.example/simple" }\n')
    lock["packages"]["node_modules/a"]["resolved"] = "https://registry.example/a.tgz"
    write(tmp_path, "web/package-lock.json", json.dumps(lock))
    assert [problem.split(":")[0] for problem in check_words.check_tree(tmp_path)] == [
        "uv.lock",
        "web/package-lock.json",
    ]


def test_committed_settings_choose_no_registry(tmp_path: Path) -> None:
    write(tmp_path, "web/.npmrc", "omit-lockfile-registry-resolved=true\n")
    assert check_words.check_tree(tmp_path) == []
    write(tmp_path, "web/.npmrc", "registry=https://mirror.example/\n")
    assert len(check_words.check_tree(tmp_path)) == 1


def test_every_allowance_has_its_reason() -> None:
    for pattern, word, _context, why in check_words.ALLOWED:
        assert word in check_words.DOMAIN_WORDS, pattern
        assert len(why.split()) >= 3, pattern
