"""Who takes part, with what settings, how many messages each is given, and what Wayside owes against each."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench import environments, places
from bench.limit import build

WAYSIDE_JOBS = places.BENCH / "wayside_jobs.py"


@dataclasses.dataclass(frozen=True)
class Entrant:
    """One program with one set of options.

    `most` caps the messages of programs that would need many minutes for all of them: what is compared is a
    rate. `goals` says for a job by what factor Wayside must be, and should be, faster than this entrant;
    `of_limit` what share of the limit's rate this entrant of ours must reach, and `peak_mb` its memory.
    """

    name: str
    title: str
    script: str
    environment: str = ""
    options: tuple[str, ...] = ()
    jobs: str = "ABC"
    most: int = 100_000_000
    repeat: int = 1
    java: bool = False
    goals: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    of_limit: float = 0.0
    peak_mb: float = 0.0

    @property
    def ours(self) -> bool:
        """Is this Wayside?"""
        return self.name.startswith("wayside")

    def version(self) -> str:
        """The version of what is measured; for Wayside the commit."""
        if self.environment:
            return environments.version(self.environment)
        return commit() if self.ours else build.SIMDJSON_FROM.replace("==", " ")

    def command(self, job: str, messages: Path, out: Path, summary: Path) -> list[str]:
        """The command line. Raises NotAvailableError when this machine cannot run it."""
        if self.script == "limit":
            threads, rejects = self.options[0], str(out / "rejects")
            return [str(build.ensure()), str(messages), threads, str(out / "rows.csv"), str(summary), rejects]
        result = out / "rows.parquet" if self.ours else out
        arguments = ["--job", job, "--input", str(messages), "--out", str(result), "--summary", str(summary)]
        if self.ours:
            if not WAYSIDE_JOBS.exists():
                raise environments.NotAvailableError(f"{WAYSIDE_JOBS.name} is not there")
            return [sys.executable, str(WAYSIDE_JOBS), *arguments, *self.options]
        if self.java and not has_java():
            raise environments.NotAvailableError("needs Java 17: install it, or set JAVA_HOME")
        script = places.BENCH / "peers" / self.script
        return [str(environments.ensure(self.environment)), str(script), *arguments, *self.options]


WAYSIDE, JVM_GOALS = "wayside_jobs.py", {"A": (12, 20), "B": (8, 8), "C": (8, 8)}
SMALL_BATCHES = ("--batch-bytes", "100000")

# The limit reached 9 M events/s where reading back from the log should reach 3 M, and small batches 0.5 M.
ENTRANTS = (
    Entrant("wayside", "Wayside, from JSON", WAYSIDE, repeat=3, peak_mb=400),
    Entrant("wayside-log", "Wayside, from its log", WAYSIDE, "", ("--mode", "log"), "A", repeat=3, of_limit=3 / 9),
    Entrant("wayside-100kb", "Wayside, 100 KB batches", WAYSIDE, "", SMALL_BATCHES, "A", repeat=3, of_limit=0.5 / 9),
    Entrant("limit", "the limit: C++, 2 threads", "limit", "", ("2",), "A", repeat=3),
    Entrant("limit-1", "the limit: C++, 1 thread", "limit", "", ("1",), "A", repeat=3),
    Entrant("duckdb", "DuckDB, one-shot batch", "duckdb_jobs.py", "duckdb", repeat=3, goals={"A": (0.5, 1.0)}),
    Entrant("duckdb-rejects", "DuckDB, rejects kept", "duckdb_jobs.py", "duckdb", ("--keep-rejects",), repeat=3),
    Entrant("spark", "Spark Structured Streaming", "spark_jobs.py", "spark", java=True, goals=JVM_GOALS),
    Entrant("flink", "Flink SQL", "flink_jobs.py", "flink", java=True, goals=JVM_GOALS),
    Entrant("pathway", "Pathway", "pathway_jobs.py", "pathway", most=1_000_000, goals={"A": (20, 35)}),
    Entrant("bytewax", "Bytewax, clock frozen", "bytewax_jobs.py", "bytewax", most=500_000, goals={"A": (40, 80)}),
    Entrant("faust", "Faust, no broker", "faust_jobs.py", "faust", most=200_000, goals={"A": (40, 80)}),
    Entrant("quix", "Quix Streams", "quix_jobs.py", "quix", (), "AB", most=300_000, goals={"A": (100, 150)}),
)


def chosen(only: str) -> list[Entrant]:
    """The entrants that a list such as `wayside,spark` names; a name also stands for its variants.

    Raises SystemExit for a name that nothing has.
    """
    if not only:
        return list(ENTRANTS)
    found: list[Entrant] = []
    for name in only.split(","):
        matching = [e for e in ENTRANTS if e.name == name or e.name.startswith(name + "-")]
        if not matching:
            known = ", ".join(e.name for e in ENTRANTS)
            raise SystemExit(f"bench: there is no entrant {name!r}; there are {known}")
        found += [e for e in matching if e not in found]
    return found


def has_java() -> bool:
    """Is there a Java to run Spark and Flink on?"""
    home = os.environ.get("JAVA_HOME")
    return bool(home and Path(home, "bin", "java").exists()) or shutil.which("java") is not None


def commit() -> str:
    """The commit of the tree, with a plus sign when Wayside's sources have been changed since."""
    git = ["git", "-C", str(places.ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode:
        return "no commit"
    dirty = subprocess.run([*git, "status", "--porcelain", "--", "src"], capture_output=True, text=True, check=False)
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")
