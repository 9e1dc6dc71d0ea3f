"""DuckDB, one-shot batch over the file, two threads. `--keep-rejects` keeps malformed lines with their bytes."""

from __future__ import annotations

import time

import duckdb
from common import arguments, write_summary

FIELDS = '{"device_id":"VARCHAR","timestamp":"VARCHAR","sensor":"VARCHAR","value":"DOUBLE"}'
WHOLE = "device_id is not null and sensor is not null and value is not null and ts is not null"
AGGREGATES = "count(*) count, avg(value) average, min(value) minimum, max(value) maximum"
WINDOW = "time_bucket(interval 10 second, ts) window_start"


def main() -> None:
    job = arguments(lambda parser: parser.add_argument("--keep-rejects", action="store_true"))
    connection = duckdb.connect()
    connection.execute("set threads = 2")
    began = time.perf_counter()
    rejects = None
    if job.keep_rejects:
        parsed = parse_lines(str(job.input))
        connection.execute(f"create temp table parsed as {parsed}")
        kept = f"copy (select line from parsed where not ({WHOLE})) to '{job.out / 'rejects'}'"
        rejects = connection.execute(f"{kept} (header false, quote '', delimiter '\x01')").fetchone()[0]
    else:
        connection.execute(f"create view parsed as {read_json(str(job.input))}")
    connection.execute(f"create view events as select * from parsed where {WHOLE}")
    connection.execute(f"copy ({query(job.job, str(job.devices))}) to '{job.out / 'rows.parquet'}'")
    write_summary(job, began=began, ended=time.perf_counter(), rejects=rejects)


def read_json(path: str) -> str:
    """Rows of valid JSON; malformed lines are passed over by the reader."""
    return f"""select device_id, sensor, value, try_cast(timestamp as timestamp) ts
        from read_json('{path}', format = 'newline_delimited', ignore_errors = true, columns = {FIELDS})"""


def parse_lines(path: str) -> str:
    """Rows of valid JSON, and the raw lines of the others."""
    return f"""with lines as materialized (
            select line, json_transform(case when json_valid(line) then line end, '{FIELDS}') j
            from read_csv('{path}', columns = {{'line': 'VARCHAR'}}, header = false, delim = '\x01',
                          quote = '', escape = '', auto_detect = false))
        select line, j.device_id, j.sensor, j.value, try_cast(j.timestamp as timestamp) ts from lines"""


def query(job: str, devices: str) -> str:
    """The query of a job over the view `events`."""
    if job == "A":
        return f"select {WINDOW}, device_id, sensor, {AGGREGATES} from events group by all"
    if job == "B":  # the row number decides between readings of the same second: the later line wins
        return """select device_id, sensor, max(ts) as timestamp, max_by(value, (ts, nr)) as value
            from (select *, row_number() over () nr from events) group by all"""
    return f"""select {WINDOW}, region, sensor, {AGGREGATES} from events
        join read_csv('{devices}', types = {{'device_id': 'VARCHAR'}}) using (device_id) group by all"""


if __name__ == "__main__":
    main()
