"""Runs jobs A, B and C through every entrant: measure, compare with the reference, keep the figures."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import environments, measure, places
from bench.entrants import Entrant

TIMEOUT_S = 900
KEPT, TRIAL = "engine.json", "engine-trial.json"


@dataclasses.dataclass(frozen=True)
class Row:
    """What came out for one entrant and job. A row with an `error` has no figures."""

    name: str
    title: str
    version: str
    job: str
    messages: int
    at: str
    error: str = ""
    correct: bool = False
    answer: str = ""
    loop_s: float = 0.0
    events_per_s: float = 0.0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    rejects_kept: bool = False
    other_cpu_s: float = 0.0


def messages(count: int) -> Path:
    """The folder with an input of `count` messages and its expected answers, made when it is missing."""
    folder = places.folder("input", str(count))
    tools = str(environments.ensure("tools"))
    if not (folder / "messages.ndjson").exists():
        print(f"· generating {count:,} messages", file=sys.stderr, flush=True)
        subprocess.run([tools, str(places.BENCH / "generate.py"), str(count), str(folder)], check=True)
    if not (folder / "expected" / "counts.json").exists():
        print(f"· computing the expected answers of {count:,} messages", file=sys.stderr, flush=True)
        subprocess.run([tools, str(places.BENCH / "reference.py"), str(folder)], check=True)
    return folder


def run(entrant: Entrant, job: str, count: int, *, repeat: int) -> Row:
    """Run one job `repeat` times and give the run with the median loop time, or the first wrong one."""
    count = min(count, entrant.most)
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    empty = Row(entrant.name, entrant.title, entrant.version(), job, count, now)
    rows: list[Row] = []
    for _ in range(repeat):
        try:
            rows.append(_run_once(entrant, job, messages(count), empty))
        except environments.NotAvailableError as error:
            return dataclasses.replace(empty, error=str(error))
        if rows[-1].error or rows[-1].answer.startswith("wrong"):
            return rows[-1]
    median = statistics.median_low(row.loop_s for row in rows)
    return next(row for row in rows if row.loop_s == median)


def _run_once(entrant: Entrant, job: str, folder: Path, row: Row) -> Row:
    name = f"{entrant.name}-{job}"
    out = places.cache() / "out" / name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    summary = places.cache() / "out" / f"{name}.json"
    summary.unlink(missing_ok=True)
    log = places.folder("logs") / f"{name}.log"
    command = entrant.command(job, folder / "messages.ndjson", out, summary)
    cost = measure.measure(command, log=log, timeout_s=TIMEOUT_S, environment=_environment())
    if cost.timed_out:
        return dataclasses.replace(row, error=f"stopped after {TIMEOUT_S} s", wall_s=cost.wall_s)
    if cost.returncode or not summary.exists():
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        return dataclasses.replace(row, error=f"exit {cost.returncode}: {' '.join(last)[:160]} (see {log.name})")
    told = json.loads(summary.read_text())
    result = out / "rows.parquet"  # one file, or a folder in which every file is part of the result
    verdict = _compare(job, folder / "expected", result if result.is_file() else out, summary)
    shutil.rmtree(out)
    return dataclasses.replace(
        row,
        correct=verdict["correct"],
        answer=verdict["detail"],
        loop_s=told["loop_s"],
        events_per_s=round(row.messages / told["loop_s"]),
        wall_s=cost.wall_s,
        cpu_s=cost.cpu_s,
        peak_mb=cost.peak_mb,
        rejects_kept=told.get("rejects") is not None,
        other_cpu_s=cost.other_cpu_s,
    )


def _compare(job: str, expected: Path, out: Path, summary: Path) -> dict[str, Any]:
    tools = str(environments.ensure("tools"))
    script = str(places.BENCH / "compare.py")
    command = [tools, script, job, str(expected), str(out), str(summary)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _environment() -> dict[str, str]:
    variables = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    return variables | {"SPARK_LOCAL_IP": "127.0.0.1"}


def load() -> list[Row]:
    """The rows that were kept last."""
    path = places.folder("results") / KEPT
    return [Row(**row) for row in json.loads(path.read_text())] if path.exists() else []


def save(rows: list[Row], *, keep: bool) -> None:
    """Write the raw figures: of a run that counts where `--reuse` finds them, of a trial beside them."""
    path = places.folder("results") / (KEPT if keep else TRIAL)
    path.write_text(json.dumps([dataclasses.asdict(row) for row in rows], indent=1))
