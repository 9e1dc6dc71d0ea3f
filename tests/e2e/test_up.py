"""The whole of Wayside as its users meet it: a process, its address, its files, its signals."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import Any

import polars as pl

from e2e.running import READY, Running, command, events, up, wait_for

RECORDS = "/v1/topics/processed_messages/records"
WINDOWS = "/v1/windows/device_rollup?from=2026-01-05T00:00:00Z&to=2026-01-06T00:00:00Z"


def reading(second: int, value: float, device: str = "a") -> dict[str, Any]:
    return {
        "device_id": device,
        "timestamp": f"2026-01-05T12:00:{second:02}Z",
        "tag": "Thermostat",
        "temperature": value,
    }


def held(table: Path) -> int:
    """Rows of a Delta table that another process writes; 0 before its first commit."""
    return pl.read_delta(str(table)).height if any(table.glob("_delta_log/*.json")) else 0


def latest(running: Running) -> dict[str, float]:
    return {row["device_id"]: row["value"] for row in running.rows("/v1/tables/device_latest")}


def test_readings_reach_tables_windows_and_the_live_stream(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        stream = events(running.address, "/v1/live?tables=device_latest&windows=device_rollup")
        name, data = next(stream)
        assert name == "snapshot"
        assert data["tables"]["device_latest"]["rows"] == []
        status, receipt = running.post(
            RECORDS + "?feed=devices", [reading(1, 20.0), reading(4, 22.0), reading(31, -500.0)]
        )
        assert (status, receipt["accepted"], receipt["rejected"]) == (202, 2, 1)
        assert receipt["errors"][0]["row"] == 2
        name, data = next(stream)
        assert name == "commit"
        assert data["tables"]["device_latest"]["rows"][0][3] == 22.0
        assert latest(running) == {"a": 22.0}
        (row,) = running.rows(WINDOWS)
        assert (row["count"], row["average"], row["open"]) == (2, 21.0, True)


def test_killed_and_started_again_everything_acknowledged_is_there_once(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        for second in (1, 4, 20):
            both = [reading(second, 20.0 + second / 10), reading(second, 1.0, "b")]
            status, _ = running.post(RECORDS + "?feed=devices", both)
            assert status == 202
        running.kill()
    with up(tmp_path) as running:
        assert wait_for(lambda: latest(running).get("a") == 22.0)
        closed, opened = running.rows(WINDOWS + "&device_id=a")
        assert (closed["count"], closed["open"]) == (2, False)
        assert (opened["count"], opened["open"]) == (1, True)
        running.post(RECORDS + "?feed=devices", [reading(40, 25.0)])
        rows = wait_for(lambda: len(found := running.rows(WINDOWS + "&device_id=a")) == 3 and found)
        assert [row["count"] for row in rows] == [2, 1, 1]
        assert running.stop() == 0


def test_a_signal_ends_it_cleanly_and_soon(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with up(tmp_path) as running:
            stream = events(running.address, "/v1/live?tables=device_latest")
            next(stream)  # a listener must not hold it up
            assert running.stop(number) == 0
            assert not any("Traceback" in line for line in running.errors)


def test_a_second_process_on_the_same_folder_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        second = command("up", "--port", "0", "--data-dir", str(tmp_path / "data"))
        assert second.returncode == 73
        assert f"process {running.process.pid}" in second.stderr
        assert second.stdout == ""


def test_a_busy_port_is_said_in_words(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = command("up", "--port", str(port), "--data-dir", str(tmp_path / "data"))
    assert result.returncode == 1
    assert f"Port {port} is busy." in result.stderr
    assert "Traceback" not in result.stderr


def test_only_this_machine_may_connect(tmp_path: Path) -> None:
    result = command("up", "--host", "0.0.0.0", "--port", "0", "--data-dir", str(tmp_path / "data"))
    assert result.returncode == 78
    assert "Nobody has to log in yet" in result.stderr


def test_it_is_configured_by_the_environment(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"WAYSIDE_DATA_DIR": str(tmp_path / "here"), "WAYSIDE_HOST": "127.0.0.1", "WAYSIDE_PORT": str(port)}
    with Running("up", env=settings) as running:
        assert running.lines[0] == f"{READY}http://127.0.0.1:{port}\n"
        assert (tmp_path / "here" / "wayside.json").is_file()
        assert running.stop() == 0


def test_the_lake_gets_each_row_once_over_two_runs(tmp_path: Path) -> None:
    settings = {"WAYSIDE_LAKE_EVERY": "100ms"}
    lake = tmp_path / "data" / "lake"
    bronze, gold = lake / "bronze" / "processed_messages", lake / "gold" / "device_rollup"
    for turn in range(2):
        with up(tmp_path, env=settings) as running:
            seconds = range(20 * turn, 20 * turn + 3)
            running.post(RECORDS + "?feed=devices", [reading(s, 20.0, d) for s in seconds for d in ("a", "b")])
            wait_for(lambda turn=turn: held(bronze) == 6 * turn + 6 and (turn == 0 or held(gold) == 2))
            running.kill() if turn == 0 else running.stop()
    found = pl.read_delta(str(bronze)).sort("_partition", "_offset")
    assert found.height == 12
    for (_,), rows in found.group_by("_partition"):
        assert rows["_offset"].to_list() == list(range(rows.height))
    windows = pl.read_delta(str(gold))
    assert windows.select("count", "average").rows() == [(3, 20.0), (3, 20.0)]
