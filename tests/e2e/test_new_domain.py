"""A domain that `wayside new-domain` has written runs beside the others, and the core has not been touched."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.running import command, up, wait_for
from wayside.cli.app import run


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The environment in which a freshly written domain is installed: its folder on the path, its entry point read."""
    assert run(["new-domain", "tide-wells", "--in", str(tmp_path)]) == 0
    folder = tmp_path / "tide-wells"
    metadata = folder / "wayside_tide_wells-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: wayside-tide-wells\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text("[wayside.domains]\ntide_wells = tide_wells\n")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))}


def test_it_runs_beside_the_others(installed: dict[str, str], tmp_path: Path) -> None:
    checked = command("check", "tide_wells", env=installed)
    assert checked.returncode == 0, checked.stderr
    assert "-> window tide_wells_rollup  (10s by station)" in checked.stdout
    with up(tmp_path, "--simulate", env=installed) as running:
        names = [domain["name"] for domain in running.get("/v1/domains")]
        assert "tide_wells" in names
        rows = wait_for(lambda: len(found := running.rows("/v1/tables/tide_wells_latest")) == 5 and found)
        assert {row["station"] for row in rows} == {f"station-{number}" for number in range(5)}
        answer = running.get("/api/tide-wells/stations/station-0")
        assert answer["station"] == "station-0"
        assert running.stop() == 0


def test_its_own_tests_pass(installed: dict[str, str], tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "tide-wells")],
        env={**os.environ, **installed},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 passed" in result.stdout


def test_its_code_is_clean(installed: dict[str, str], tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E,F,I,UP,B", "--line-length", "120", "."],
        cwd=tmp_path / "tide-wells",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout


def test_a_broken_declaration_is_told_by_check(installed: dict[str, str], tmp_path: Path) -> None:
    flow = tmp_path / "tide-wells" / "tide_wells" / "flow.py"
    flow.write_text(flow.read_text().replace('pl.col("level")', 'pl.col("levle")'))
    result = command("check", "tide_wells", env=installed)
    assert result.returncode == 1
    assert "uses the column 'levle', which its input does not have" in result.stderr
    assert "Did you mean 'level'?" in result.stderr
    assert "Traceback" not in result.stderr
    flow.write_text("this is no Python\n")
    result = command("check", "tide_wells", "--json", env=installed)
    assert result.returncode == 1
    assert "flow.py:1" in result.stdout
