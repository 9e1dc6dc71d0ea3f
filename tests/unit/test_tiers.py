"""A tier that the machine cannot run is left out with its reason, and never silently."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
TESTS = """
import os
import pytest

def test_plain(): assert "WAYSIDE_PORT" not in os.environ

@pytest.mark.servers
def test_servers(): assert False, "must not run without mosquitto"

@pytest.mark.realdata
def test_realdata(real_data): assert real_data.is_dir()

@pytest.mark.faults
@pytest.mark.slow
def test_slow(): pass
"""
INI = "[pytest]\nmarkers =\n    servers:\n    browser:\n    realdata:\n    faults:\n    slow:\n"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    folder = tmp_path / "suite" / "tests"
    folder.mkdir(parents=True)
    shutil.copy(CONFTEST, folder)
    (folder / "test_it.py").write_text(TESTS)
    (folder.parent / "pytest.ini").write_text(INI)
    return folder.parent


def run(suite: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Runs pytest where neither mosquitto nor Chromium nor recorded data are to be found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WAYSIDE_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--strict-markers", *arguments]
    everything = kept | {"PATH": str(suite), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "HOME": str(suite)} | environment
    done = subprocess.run(command, cwd=suite, env=everything, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout + done.stderr


def test_what_is_missing_is_skipped_and_named(suite: Path) -> None:
    code, output = run(suite, WAYSIDE_PORT="1")
    assert code == 0, output
    assert "1 passed, 3 skipped" in output
    assert "servers: left out (1 test): mosquitto is not on PATH" in output
    assert "browser: left out (0 tests): Chromium is not on PATH" in output
    assert "realdata: left out (1 test): there is no " in output
    assert "slow: left out (1 test): takes minutes" in output


def test_recorded_data_is_found_where_the_environment_says(suite: Path) -> None:
    code, output = run(suite, "--tier", "realdata", WAYSIDE_REAL_DATA=str(suite))
    assert code == 0, output
    assert "1 passed, 3 deselected" in output
    assert "default: left out (1 test), not asked for" in output


@pytest.mark.parametrize("arguments", [("--tier", "slow"), ("-m", "slow")])
def test_slow_tests_run_when_asked_for(suite: Path, arguments: tuple[str, ...]) -> None:
    code, output = run(suite, *arguments)
    assert code == 0, output
    assert "1 passed, 3 deselected" in output


def test_asking_for_a_tier_does_not_bring_its_slow_tests(suite: Path) -> None:
    code, output = run(suite, "--tier", "faults")
    assert code == 0, output
    assert "1 skipped, 3 deselected" in output


def test_an_unknown_tier_is_refused_with_the_known_ones(suite: Path) -> None:
    code, output = run(suite, "--tier", "sevrers")
    assert code == 4
    assert "There is no tier sevrers; there are default, servers, browser, realdata, faults, slow, all." in output
