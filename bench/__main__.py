"""`python -m bench`: measure, compare, print one table of ratios, and write it into docs/performance.md."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys

from bench import engine, entrants, log, places, report
from bench.ingest import run as ingest

ALL = "engine,log,ingest,service"
QUICK = 250_000
FULL = 5_000_000
LOG_QUICK, LOG_FULL = 200_000, 5_000_000


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--part", default=ALL, help="which parts to run")
    parser.add_argument("--only", default="", help="entrants of the engine part, such as wayside,spark")
    parser.add_argument("--job", default="ABC", help="jobs of the engine part, such as A or BC")
    parser.add_argument("--n", type=int, help=f"messages; {FULL:,} unless said, {QUICK:,} with --quick")
    parser.add_argument("--repeat", type=int, help="runs of each entrant; the median counts")
    parser.add_argument("--quick", action="store_true", help="few messages, short loads, the page is left alone")
    parser.add_argument("--reuse", action="store_true", help="keep the last figures of entrants that are not run now")
    write = "write the tables into docs/performance.md (the default for a run of everything)"
    parser.add_argument("--write", action=argparse.BooleanOptionalAction, help=write)
    told = parser.parse_args()
    told.n = told.n or (QUICK if told.quick else FULL)
    if told.write is None:
        told.write = not told.quick and (told.reuse or not told.only)
    if told.only and told.part == ALL:
        told.part = "engine"
    unknown = set(told.part.split(",")) - set(ALL.split(",")) or set(told.job) - set("ABC")
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    return told


def run_engine(told: argparse.Namespace) -> None:
    """Jobs A, B and C."""
    kept = {(row.name, row.job): row for row in engine.load()} if told.reuse else {}
    for job in sorted(set(told.job)):
        for entrant in entrants.chosen(told.only):
            if job not in entrant.jobs:
                continue
            repeat = told.repeat or (1 if told.quick else entrant.repeat)
            row = engine.run(entrant, job, told.n, repeat=repeat)
            kept[entrant.name, job] = row
            figures = row.error or f"{row.events_per_s:,.0f} events/s, {row.peak_mb:,.0f} MB, {row.answer}"
            print(f"· {job} {entrant.name}: {figures}", file=sys.stderr, flush=True)
            engine.save(_in_order(kept), keep=told.write)
    text = report.engine(_in_order(kept))
    print(text, flush=True)
    if told.write:
        report.write_section("engine", text)


def run_log(told: argparse.Namespace) -> None:
    """Append and read back, beside the same bytes in a plain file."""
    text = log.run(LOG_QUICK if told.quick else LOG_FULL)
    print(text, flush=True)
    if told.write:
        report.write_section("log", text)


def run_ingest(told: argparse.Namespace) -> None:
    """HTTP."""
    _, text = ingest.run(ingest.Options(seconds=2 if told.quick else 10))
    print(text, flush=True)
    if told.write:
        report.write_section("ingest", text)


def run_service(told: argparse.Namespace) -> None:
    """What a user feels: start, help, post to live, memory. The script prints its own table, and writes it."""
    command = [sys.executable, str(places.BENCH / "wayside_service.py"), *["--write"] * told.write]
    done = subprocess.run([*command, *["--seconds", "5"] * told.quick], check=False)
    if done.returncode:
        print(f"not measured: wayside_service.py ended with {done.returncode}", flush=True)


def _in_order(kept: dict[tuple[str, str], engine.Row]) -> list[engine.Row]:
    order = [entrant.name for entrant in entrants.ENTRANTS]
    return sorted((row for row in kept.values() if row.name in order), key=lambda r: (r.job, order.index(r.name)))


def main() -> None:
    """Run the parts that were asked for."""
    # Programs are measured as they run everywhere, with their bytecode kept: compiling is not what is compared.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    told = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is ended, too
    parts = told.part.split(",")
    runs = {"engine": run_engine, "log": run_log, "ingest": run_ingest, "service": run_service}
    for part, run in runs.items():
        if part in parts:
            run(told)


if __name__ == "__main__":
    main()
