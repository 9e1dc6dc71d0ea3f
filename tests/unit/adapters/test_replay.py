from __future__ import annotations

import gzip
import io
import json
import os
import threading
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from tests.unit.adapters.world import START, Level, Log, level, levels
from wayside.adapters import Files, reading
from wayside.adapters.intake import FeedIntake
from wayside.adapters.progress import shown
from wayside.adapters.replay import FileReplay
from wayside.adapters.runners import runner_of
from wayside.adapters.running import SourceStatus
from wayside.clock import ManualClock
from wayside.domain import Feed
from wayside.errors import ConfigError, DiskFullError, WaysideError

SOURCE = Files(columns={"Gauge": "gauge", "When": "at", "cm": "level"}, nulls=("", "NA", " "))
files: Feed = levels.feed("files", SOURCE)


def replay(log: Log, *paths: Path, feed: Feed = files, **options: object) -> SourceStatus:
    intake = FeedIntake(feed, log)  # it waits for more to come, which a clock that stands still would never end
    try:
        return FileReplay(feed, paths, intake, clock=ManualClock(START), **options).run()  # type: ignore[arg-type]  # checked by the test that passes them
    finally:
        intake.close()


def table(rows: int) -> str:
    lines = ['"Gauge",When,cm,note']
    lines += [f'"g{n % 3}",{START.timestamp() + n:.0f},{n % 120 if n % 50 else "NA"},"a, b"' for n in range(rows)]
    return "\n".join(lines) + "\n"


def counts(rows: int) -> tuple[int, int]:
    good = sum(bool(n % 50) and n % 120 <= 100 for n in range(rows))
    return good, rows - good


@pytest.mark.parametrize("name", ["t.csv", "t.txt", "t.csv.gz", "t.csv.zst", "t.parquet", "t.ndjson", "t.jsonl.gz"])
def test_every_format_gives_the_same_rows_and_a_second_run_adds_nothing(tmp_path: Path, name: str) -> None:
    rows = 12_345
    path = tmp_path / name
    text = table(rows)
    frame = pl.read_csv(io.StringIO(text), null_values=["NA"])
    if ".parquet" in name:
        frame.write_parquet(path)
    else:
        named = frame.rename({"Gauge": "gauge", "When": "at", "cm": "level"})
        data = named.write_ndjson().encode() if "json" in name else text.encode()
        path.write_bytes(packed(data, path.suffix))
    log = Log()
    done = replay(log, path)
    good, bad = counts(rows)
    assert (done.state, done.messages, done.accepted, done.rejected) == ("finished", rows, good, bad)
    assert log.rows().height == good
    assert log.refused().height == bad
    twin = path.rename(tmp_path / f"copy-{name}")
    again = replay(log, twin)
    assert (again.accepted, again.duplicates, again.rejected) == (0, good, bad)
    assert log.rows().height == good
    assert log.refused().height == bad


def packed(data: bytes, suffix: str) -> bytes:
    if suffix == ".gz":
        return gzip.compress(data)
    return bytes(pa.compress(data, "zstd", asbytes=True)) if suffix == ".zst" else data


def test_a_replay_that_broke_off_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(table(20_000))
    log = Log()
    working, taken = log.append, 0

    def full(*given: object, **more: object) -> object:
        nonlocal taken
        taken += 1
        if taken > 4:
            raise DiskFullError("There is no space left.")
        return working(*given, **more)  # type: ignore[arg-type]  # handed through

    log.append = full  # type: ignore[assignment]  # a disk that fills up
    with pytest.raises(DiskFullError):
        replay(log, path)
    log.append = working  # type: ignore[method-assign]  # there is space again
    part = log.rows().height
    done = replay(log, path)
    good, bad = counts(20_000)
    assert 0 < part < good
    assert (done.accepted, done.duplicates) == (good - part, part)
    assert log.rows().height == good
    assert log.refused().height == bad


def test_rows_with_the_wrong_number_of_cells_are_quarantined_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        f"Gauge,When,cm\ng,{START.timestamp()},1\ng,2\ng,{START.timestamp()},3,4\ng,{START.timestamp()},5\n"
    )
    log = Log()
    done = replay(log, path)
    assert (done.messages, done.accepted, done.rejected) == (4, 2, 2)
    assert sorted(log.refused()["raw"]) == sorted([b"g,2", f"g,{START.timestamp()},3,4".encode()])


def test_several_files_are_merged_in_the_order_of_event_time(tmp_path: Path) -> None:
    at = START.timestamp()
    steps = {"a.csv": range(0, 30_000, 7), "b.csv": range(3, 20_000, 3), "c.csv": range(10_000, 10_050)}
    for name, seconds in steps.items():
        rows = [f"{name[0]},{at + second},{second % 100}" for second in seconds]
        (tmp_path / name).write_text("\n".join(["Gauge,When,cm", "broken", *rows, "g,late,1"]) + "\n")
    (tmp_path / "d.ndjson").write_bytes(b"no json\n" * 6000 + level(1) + b"\n")
    log = Log()
    paths = [tmp_path / name for name in [*steps, "d.ndjson"]]
    done = replay(log, *paths)
    count = sum(len(seconds) for seconds in steps.values()) + 1
    assert (done.accepted, done.rejected) == (count, 6000 + 2 * 3)
    stored = log.rows()
    for partition in stored.partition_by("_partition"):
        assert partition.sort("_offset")["at"].is_sorted()
    again = replay(log, *reversed(paths))
    assert (again.accepted, again.duplicates) == (0, count)


def test_several_files_and_constants(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.csv").write_text(f"When,cm\n{START.timestamp()},{number}\n")
    feed = levels.feed("constant", Files(columns=SOURCE.columns, constants={"gauge": "fixed"}))
    log = Log()
    assert replay(log, *(tmp_path / f"{n}.csv" for n in range(3)), feed=feed).accepted == 3
    assert log.rows().sort("level").select("gauge", "level").rows() == [("fixed", 0.0), ("fixed", 1.0), ("fixed", 2.0)]


def test_a_pace_keeps_the_distances_of_event_times(tmp_path: Path) -> None:
    path = tmp_path / "t.ndjson"
    at = START.timestamp()
    times = [at, at + 10, at + 5, at + 20, at + 60]
    lines = [json.dumps({"gauge": "g", "at": t, "level": 1}).encode() for t in times]
    path.write_bytes(b"\n".join([*lines[:2], b"not json", *lines[2:]]))
    clock = ManualClock(START)
    log = Log()
    seen: list[tuple[float, int]] = []
    intake = FeedIntake(files, log, clock=clock)
    submit = intake.submit

    def noted(lines: list[bytes], *, ids: list[str]) -> object:
        seen.append((round(clock.monotonic(), 3), len(lines)))
        return submit(lines, ids=ids)

    intake.submit = noted  # type: ignore[assignment, method-assign]  # a witness in front of the real one
    done = FileReplay(files, [path], intake, speed=10.0, clock=clock).run()
    intake.close()
    assert (done.accepted, done.rejected) == (5, 1)
    assert [count for _, count in seen] == [1, 3, 1, 1]
    assert [moment for moment, _ in seen] == pytest.approx([0, 1, 2, 6], abs=0.06)


def test_it_starts_stops_and_tells_in_a_thread_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(table(8_000))
    log = Log(held=True)
    intake = FeedIntake(files, log)
    runner = FileReplay(files, [path], intake)
    assert runner.status().state == "stopped"
    runner.start()
    runner.start()
    threading.Timer(0.2, log.go.set).start()
    runner.stop()
    assert runner.status().state in ("stopped", "finished")
    broken = FileReplay(files, [tmp_path / "t.csv"], intake)
    path.write_bytes(b"Gauge\n1\n")
    broken.start()
    broken.stop()
    assert broken.status().state == "failed"
    assert "no column 'When'" in broken.status().last_error
    intake.close()


def test_what_is_not_a_readable_file_is_said_in_a_sentence(tmp_path: Path) -> None:
    log = Log()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    (tmp_path / "t.csv.gz").write_bytes(b"no gzip")
    (tmp_path / "t.parquet").write_bytes(b"no parquet")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(table(5000).encode())[:-300])
    (tmp_path / "latin.csv").write_bytes("Gauge,When,cm\ncañada,0,1\n".encode("latin-1"))
    for name, words in {
        "none.csv": "cannot be read",
        "pipe.csv": "Only regular files",
        "t.xlsx": "format",
        "t.csv.gz": "cannot be read",
        "t.parquet": "cannot be read",
        "cut.csv.gz": "cannot be read",
        "latin.csv": "cannot be read",
    }.items():
        with pytest.raises(WaysideError, match=words):
            replay(log, tmp_path / name)
    with pytest.raises(WaysideError, match="Only regular files"):
        replay(log, Path("/dev/null"))
    with pytest.raises(ConfigError):
        replay(log, tmp_path / "latin.csv", speed=0.0)


def test_the_encoding_of_a_file_can_be_declared(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(f"Gauge;When;cm\ncañada;{START.timestamp()};1\n".encode("latin-1"))
    feed = levels.feed("latin", Files(columns=SOURCE.columns, separator=";", encoding="latin-1"))
    log = Log()
    assert replay(log, path, feed=feed).accepted == 1
    assert log.rows()["gauge"].to_list() == ["cañada"]


def test_a_missing_column_names_the_one_that_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("Guage,When,cm\ng,0,1\n")
    with pytest.raises(WaysideError) as caught:
        replay(Log(), path)
    assert "'Guage'" in caught.value.next
    path.write_text("Gauge,When,cm\n")
    assert replay(Log(), path).messages == 0


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LONGEST", 3000)
    monkeypatch.setattr(reading, "READ", 1000)
    path = tmp_path / "t.ndjson"
    path.write_bytes(level(1) + b"\n" + b"x" * 20_000 + b"\n" + level(2))
    log = Log()
    done = replay(log, path)
    assert (done.accepted, done.rejected) == (2, 1)
    assert 3000 < len(log.refused()["raw"][0]) < 5000


def test_progress_is_lines_where_there_is_no_terminal(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(table(6000))
    out = io.StringIO()
    with shown("t.csv", stream=out, clock=ManualClock(START)) as progress:
        replay(Log(), path, progress=progress)
    lines = out.getvalue().splitlines()
    good, bad = counts(6000)
    assert len(lines) == 2
    assert lines[-1].startswith(f"t.csv: 100%, 6,000 messages, {good:,} records accepted, {bad:,} rejected")


def test_progress_is_a_bar_on_a_terminal(tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    path = tmp_path / "t.csv"
    path.write_text(table(6000))
    out = Terminal()
    with shown("t.csv", stream=out) as progress:
        replay(Log(), path, progress=progress)
    assert "100%" in out.getvalue()


def test_a_declared_path_is_replayed_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(table(10))
    feed = levels.feed("declared", Files(columns=SOURCE.columns, paths=[str(path)]))
    log = Log()
    intake = FeedIntake(feed, log)
    runner = runner_of(feed, intake)
    assert runner is not None
    runner.start()
    while runner.status().state == "running":
        pass
    runner.stop()
    intake.close()
    assert log.rows().height == counts(10)[0]
    assert runner_of(files, intake) is None
    assert Level.time == "at"
