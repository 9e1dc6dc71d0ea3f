"""The comparison catches what a fast and wrong engine would do."""

from __future__ import annotations

import csv
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import compare, places, reference

Row = list[str]
generate = importlib.import_module("bench.generate")


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 s of event time: two windows closed, one open."""
    folder = tmp_path_factory.mktemp("workload")
    fast, generate.MESSAGES_PER_SECOND = generate.MESSAGES_PER_SECOND, 200
    try:
        generate.generate(6_000, folder)
    finally:
        generate.MESSAGES_PER_SECOND = fast
    reference.reference(folder)
    return folder


def verdict(
    workload: Path, tmp_path: Path, job: str, change: Callable[[list[Row]], list[Row]], **summary: object
) -> dict[str, object]:
    """The verdict on the expected answer after a change."""
    with (workload / "expected" / f"{job}.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, *change(rows)])
    told = {"loop_s": 1.0, "rejects": None, "late": None} | summary
    return compare.compare(job, workload / "expected", tmp_path, told)


def test_the_input_has_each_kind_of_malformed_line(workload: Path) -> None:
    counts = json.loads((workload / "expected" / "counts.json").read_text())
    assert counts["accepted"] + counts["rejects"] == 6_000
    assert 15 <= counts["rejects"] <= 50


@pytest.mark.parametrize("job", ["A", "B", "C"])
def test_the_expected_answer_is_correct(workload: Path, tmp_path: Path, job: str) -> None:
    assert verdict(workload, tmp_path, job, lambda rows: rows[::-1])["correct"]


def test_open_windows_may_be_left_out(workload: Path, tmp_path: Path) -> None:
    def closed(rows: list[Row]) -> list[Row]:
        newest = max(int(row[0]) for row in rows)
        return [row for row in rows if int(row[0]) < newest]

    told = verdict(workload, tmp_path, "A", closed)
    assert told["correct"], told
    assert "open" not in str(told["detail"])


def late_row_counted_twice(rows: list[Row]) -> list[Row]:
    first, *rest = rows
    return [[*first[:3], str(int(first[3]) + 1), *first[4:]], *rest]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[1:], "1 missing"),
        (lambda rows: [*rows, rows[0]], "1 twice"),
        (lambda rows: [*rows, ["0", *rows[0][1:]]], "1 unexpected"),
        (late_row_counted_twice, "1 different"),
        (lambda rows: [[*rows[0][:4], str(float(rows[0][4]) + 1e-6), *rows[0][5:]], *rows[1:]], "1 different"),
        (lambda rows: [[*rows[0][:4], "nan", *rows[0][5:]], *rows[1:]], "1 different"),
        (lambda rows: [[*rows[0][:5], "", *rows[0][6:]], *rows[1:]], "1 different"),
    ],
)
def test_wrong_windows_are_named(
    workload: Path, tmp_path: Path, change: Callable[[list[Row]], list[Row]], words: str
) -> None:
    told = verdict(workload, tmp_path, "A", change)
    assert not told["correct"]
    assert words in str(told["detail"])


def test_another_reading_of_the_last_second_is_told_apart(workload: Path, tmp_path: Path) -> None:
    with (workload / "expected" / "B_ties.csv").open(newline="") as file:
        ties = {(row[0], row[1]): row for row in list(csv.reader(file))[:0:-1]}
    told = verdict(workload, tmp_path, "B", lambda rows: [ties[row[0], row[1]] for row in rows])
    assert not told["correct"]
    assert str(told["detail"]).startswith("ties")


def test_an_older_reading_is_wrong(workload: Path, tmp_path: Path) -> None:
    older = lambda rows: [[*rows[0][:2], str(int(rows[0][2]) - 1), rows[0][3]], *rows[1:]]  # noqa: E731 - an argument
    assert str(verdict(workload, tmp_path, "B", older)["detail"]).startswith("wrong: 1 of")


def test_lost_rejects_and_refused_rows_are_wrong(workload: Path, tmp_path: Path) -> None:
    same = lambda rows: rows  # noqa: E731 - an argument
    assert "rejects" in str(verdict(workload, tmp_path, "A", same, rejects=1)["detail"])
    assert "late" in str(verdict(workload, tmp_path, "A", same, late=3)["detail"])


def test_no_result_is_wrong(workload: Path, tmp_path: Path) -> None:
    told = compare.compare("A", workload / "expected", tmp_path / "nothing", {"rejects": None})
    assert not told["correct"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_whole_process_tree_is_measured(tmp_path: Path) -> None:
    child = "import time; b = bytearray(60_000_000); e = time.process_time() + 0.3\nwhile time.process_time() < e: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    command = [sys.executable, "-m", "bench.measure", "--", sys.executable, "-c", parent]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=places.ROOT)
    told = json.loads(done.stdout)
    assert told["returncode"] == 0
    assert told["cpu_s"] >= 0.3
    assert told["peak_mb"] >= 60
