"""The log's table: Wayside's append and read back beside the same bytes in a plain file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

from bench import machine, places, report

BATCH = 10_000
WAYSIDE_LOG = places.BENCH / "wayside_log.py"
APPEND_GOAL, READ_GOAL = 0.5, 50_000_000
HEAD = ("", "append, records/s", "of the file", "read back, records/s", "bytes per record")


def run(records: int) -> str:
    """Measure both, keep the figures, and give the table."""
    folder, disturbance = places.folder("log"), machine.disturbance()
    limit_script = str(places.BENCH / "log_limit.py")
    options = ["--records", str(records), "--batch", str(BATCH), "--folder", str(folder)]
    limit = _told([sys.executable, limit_script, *options])
    ours, problem = _wayside(options)
    limit = ours.get("limit", limit)
    (places.folder("results") / "log.json").write_text(json.dumps({"limit": limit, "wayside": ours}, indent=1))
    lines = [_line("Arrow IPC to a file, fdatasync", limit, limit)]
    if problem:
        lines.append(["Wayside's log", *["–"] * (len(HEAD) - 2), f"not measured: {problem}"])
    else:
        lines.append(_line("Wayside's log", ours, limit))
    note = (
        f"Batches of {BATCH:,} records, one fdatasync each, {records:,} records, read back from the page cache. "
        f"Goals for Wayside: append ≥ {APPEND_GOAL:g}× the file, read back ≥ {READ_GOAL / 1e6:g} M records/s."
        f"{disturbance}"
    )
    return f"### The log\n\n{report.table(HEAD, lines)}\n\n{note}\n\n{report.footer()}"


def _wayside(options: list[str]) -> tuple[dict[str, Any], str]:
    """Wayside's figures, or why there are none."""
    if not WAYSIDE_LOG.exists():
        return {}, f"{WAYSIDE_LOG.name} is not there"
    data = places.folder("log") / "data"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    summary = places.folder("log") / "summary.json"
    command = [sys.executable, str(WAYSIDE_LOG), *options[:-1], str(data), "--summary", str(summary)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    shutil.rmtree(data, ignore_errors=True)
    if done.returncode:
        return {}, f"exit {done.returncode}: {' '.join(done.stderr.strip().splitlines()[-1:])[:160]}"
    return json.loads(summary.read_text()), ""


def _line(name: str, told: dict[str, Any], limit: dict[str, Any]) -> list[str]:
    return [
        name,
        f"{told['append_records_s']:,}",
        report.times(told["append_records_s"] / limit["append_records_s"]),
        f"{told['read_records_s']:,}",
        f"{told.get('bytes_per_record', '–')}",
    ]


def _told(command: list[str]) -> dict[str, Any]:
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
