"""`wayside demo`, as a newcomer meets it."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
from pathlib import Path

from e2e.running import Running, command, wait_for

SUMMARY = re.compile(
    r"In \d+ s: ([\d,]+) records came in, ([\d,]+) were rejected and kept in quarantine, ([\d,]+) windows closed, "
    r"[\d,]+ records were late, and ([\d,]+) table rows are current\. Kept in (.+)\."
)


def test_it_ends_by_itself_says_what_it_did_and_shows_its_history_next_time(tmp_path: Path) -> None:
    env = {"XDG_DATA_HOME": str(tmp_path), "DEMO_SECONDS": "5"}
    first = command("demo", "--port", "0", env=env)
    assert first.returncode == 0, first.stderr
    invitation, summary = first.stdout.splitlines()
    assert re.search(r"Open http://127\.0\.0\.1:\d+/ to see Devices and Transit live", invitation)
    found = SUMMARY.fullmatch(summary)
    assert found is not None, summary
    records, _, _, rows = (int(found[n].replace(",", "")) for n in range(1, 5))
    assert records > 20
    assert rows > 10
    assert found[5] == str(tmp_path / "wayside" / "demo")
    with Running("demo", "--port", "0", env={"XDG_DATA_HOME": str(tmp_path)}, ready="Open ") as again:
        topics = [topic for topic in again.get("/v1/topics") if not topic["name"].startswith("_")]
        assert sum(part["end"] for topic in topics for part in topic["partitions"]) >= records
        assert again.stop(signal.SIGINT) == 0
        assert wait_for(lambda: any(SUMMARY.fullmatch(line.strip()) for line in again.lines), 5)
    fresh = command("demo", "--port", "0", "--fresh", "--seconds", "1", env={"XDG_DATA_HOME": str(tmp_path)})
    found = SUMMARY.fullmatch(fresh.stdout.splitlines()[1])
    assert found is not None
    assert int(found[1].replace(",", "")) < records


def test_a_busy_port_and_another_demo_are_no_obstacle(tmp_path: Path) -> None:
    env = {"XDG_DATA_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Running("demo", "--port", str(port), env=env, ready="Open ") as first:
            assert int(first.address.rpartition(":")[2]) > port
            second = command("demo", "--port", str(port), "--seconds", "1", env=env)
            assert second.returncode == 0, second.stderr
            assert "Another demo is running" in second.stderr
            assert first.stop(signal.SIGINT) == 0
    assert list(tmp_path.glob("wayside-demo-*")) == []


def test_what_a_demo_of_other_declarations_left_is_no_obstacle(tmp_path: Path) -> None:
    env = {"XDG_DATA_HOME": str(tmp_path)}
    assert command("demo", "--port", "0", "--seconds", "1", env=env).returncode == 0
    with sqlite3.connect(tmp_path / "wayside" / "demo" / "hot" / "hot.sqlite") as store:
        found = store.execute(
            "UPDATE definitions SET body = replace(body, 'tumbling', 'session') WHERE kind = 'window'"
        )
        assert found.rowcount > 0
    again = command("demo", "--port", "0", "--seconds", "1", env=env)
    assert again.returncode == 0, again.stderr
    assert "Beginning anew" in again.stderr
    assert SUMMARY.fullmatch(again.stdout.splitlines()[1])
