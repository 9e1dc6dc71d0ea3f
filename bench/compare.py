"""Compares a result with the reference, row by row. Needs duckdb, so `bench` runs it in its `tools` environment.

`python compare.py JOB EXPECTED RESULT SUMMARY` prints `{"correct": true, "detail": "..."}`. A result is a
Parquet file, or a folder with Parquet files, CSV files with a header, or `rows/*` with one JSON object a line.

Correct means: every window that has ended by the watermark (greatest event time less 5 s) is there once, and
each row that is there has the expected count, minimum, maximum and average (to 1e-9). Windows that are still
open may be there or not. Job B wants the last line among readings of the same second; a result that took
another reading of that second is told apart from a wrong one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import duckdb

WINDOW_S = 10
KEYS = {"A": "window_start, device_id, sensor", "C": "window_start, region, sensor"}
TIMES = {"A": "window_start", "B": "timestamp", "C": "window_start"}
MEASURES = ("average", "minimum", "maximum")


def source(result: Path) -> str:
    """The table function that reads a result. FileNotFoundError when there is none."""
    if result.is_file():
        return f"read_parquet('{result}')"
    parquet = [path for path in result.rglob("*.parquet") if path.stat().st_size and "updates" not in path.parts]
    if parquet:
        return f"read_parquet({[str(path) for path in parquet]})"
    if any(result.glob("*.csv")):
        return f"read_csv('{result}/*.csv', header = true)"
    rows = [str(path) for path in result.glob("rows/*") if path.is_file() and path.stat().st_size]
    if rows:
        return f"read_json({rows}, format = 'newline_delimited')"
    raise FileNotFoundError(f"no rows in {result}")


def load(db: duckdb.DuckDBPyConnection, name: str, job: str, table: str) -> None:
    """Table `name` from a table function: times as whole seconds, devices as text."""
    types = dict(row[:2] for row in db.execute(f"describe select * from {table}").fetchall())
    time = TIMES[job]
    seconds = f'"{time}"' if "INT" in types[time] else f'epoch("{time}"::timestamp)::bigint'
    replaced = [f'{seconds} as "{time}"'] + ["device_id::varchar as device_id"] * ("device_id" in types)
    db.execute(f"create table {name} as select * replace ({', '.join(replaced)}) from {table}")


def windows(db: duckdb.DuckDBPyConnection, job: str, watermark: int) -> tuple[bool, str]:
    """Verdict on jobs A and C."""
    keys = KEYS[job]
    closed = f"window_start + {WINDOW_S} <= {watermark}"
    differs = " or ".join(f"abs(a.{m} - e.{m}) > 1e-9 * (1 + abs(e.{m}))" for m in MEASURES)
    problems = {
        "twice": f"select count(*) - count(distinct ({keys})) from actual",
        "missing": f"select count(*) from expected e anti join actual a using ({keys}) where {closed}",
        "unexpected": f"select count(*) from actual a anti join expected e using ({keys})",
        "different": f"""select count(*) from actual a join expected e using ({keys})
            where a.count is distinct from e.count or coalesce({differs}, true)""",
    }
    counts = {name: db.execute(query).fetchone()[0] for name, query in problems.items()}
    total = db.execute(f"select count(*) from expected where {closed}").fetchone()[0]
    wrong = [f"{count:,} {name}" for name, count in counts.items() if count]
    if wrong:
        return False, f"wrong: {', '.join(wrong)} of {total:,} closed rows"
    open_rows = db.execute(f"select count(*) from actual where not ({closed})").fetchone()[0]
    return True, f"{total:,} closed rows" + (f", {open_rows:,} open" if open_rows else "")


def latest(db: duckdb.DuckDBPyConnection, expected: Path) -> tuple[bool, str]:
    """Verdict on job B."""
    load(db, "ties", "B", f"read_csv('{expected}/B_ties.csv')")
    one = lambda query: db.execute(query).fetchone()[0]  # noqa: E731 - a name for a long call
    total = one("select count(*) from expected")
    twice = one("select count(*) - count(distinct (device_id, sensor)) from actual")
    same = one("select count(*) from expected join actual using (device_id, sensor, timestamp, value)")
    tied = one("""select count(*) from (from actual semi join ties using (device_id, sensor, timestamp, value))
        anti join expected using (device_id, sensor, timestamp, value)""")
    if twice or same + tied != total or one("select count(*) from actual") != total:
        return False, f"wrong: {total - same - tied:,} of {total:,} keys"
    if tied:
        return False, f"ties: {tied:,} of {total:,} keys have another reading of the last second"
    return True, f"{total:,} keys"


def compare(job: str, expected: Path, result: Path, summary: dict[str, object]) -> dict[str, object]:
    """Verdict on rows, rejects and late rows."""
    counts = json.loads((expected / "counts.json").read_text())
    try:
        db = duckdb.connect()
        load(db, "expected", job, f"read_csv('{expected}/{job}.csv')")
        load(db, "actual", job, source(result))
        correct, detail = latest(db, expected) if job == "B" else windows(db, job, counts["watermark"])
    except (FileNotFoundError, duckdb.Error) as error:
        return {"correct": False, "detail": f"wrong: no usable rows ({str(error).splitlines()[0]})"}
    if summary.get("rejects") not in (None, counts["rejects"]):
        return {"correct": False, "detail": f"wrong: {summary['rejects']} rejects, expected {counts['rejects']}"}
    if summary.get("late"):  # nothing in the input is later than the allowed lateness
        return {"correct": False, "detail": f"wrong: {summary['late']} rows called late, expected none"}
    return {"correct": correct, "detail": detail}


if __name__ == "__main__":
    _, job_name, expected_at, result_at, summary_at = sys.argv
    told = json.loads(Path(summary_at).read_text())
    print(json.dumps(compare(job_name, Path(expected_at), Path(result_at), told)))
