"""Flink SQL from PyFlink, local mini-cluster in streaming mode, watermark of 5 s, filesystem source and sink.

Malformed lines are dropped (`json.ignore-parse-errors`). One file is read: Flink hands the files of a folder
to its readers in no order, which makes event time jump. Job B is a deduplication by the greatest event
time; between readings of the same second Flink keeps the last that it saw.
"""

from __future__ import annotations

import json
import time

from common import LATENESS_S, Job, arguments, write_summary
from pyflink.table import EnvironmentSettings, TableEnvironment

NOT_A_TIME = "TIMESTAMP '1970-01-01 00:00:00'"
WHOLE = f"device_id IS NOT NULL AND sensor IS NOT NULL AND `value` IS NOT NULL AND `at` > {NOT_A_TIME}"
AGGREGATES = "COUNT(*), AVG(`value`), MIN(`value`), MAX(`value`)"


def environment(parallelism: int) -> TableEnvironment:
    """A local cluster in this process's JVM."""
    made = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
    options = {
        "parallelism.default": str(parallelism),
        "taskmanager.memory.managed.size": "512m",
        "taskmanager.numberOfTaskSlots": "4",
        "table.local-time-zone": "UTC",
        "rest.address": "127.0.0.1",
        "rest.bind-address": "127.0.0.1",
        "pipeline.object-reuse": "true",
    }
    for name, value in options.items():
        made.get_config().set(name, value)
    return made


def declare(flink: TableEnvironment, job: Job) -> None:
    """The source, the device table, and the view `events` of valid messages."""
    flink.execute_sql(f"""CREATE TABLE source (
        device_id STRING, `timestamp` STRING, sensor STRING, `value` DOUBLE,
        `at` AS COALESCE(TRY_CAST(REPLACE(REPLACE(`timestamp`, 'T', ' '), 'Z', '') AS TIMESTAMP(3)),
                         CAST({NOT_A_TIME} AS TIMESTAMP(3))),
        WATERMARK FOR `at` AS `at` - INTERVAL '{LATENESS_S}' SECOND
    ) WITH ('connector' = 'filesystem', 'path' = 'file://{job.input}', 'format' = 'json',
            'json.ignore-parse-errors' = 'true')""")
    flink.execute_sql(f"""CREATE TABLE devices (
        device_id STRING, region STRING, since AS CAST({NOT_A_TIME} AS TIMESTAMP(3)),
        WATERMARK FOR since AS since, PRIMARY KEY (device_id) NOT ENFORCED
    ) WITH ('connector' = 'filesystem', 'path' = 'file://{job.devices.with_suffix(".json")}',
            'format' = 'json')""")
    columns = "device_id, sensor, `value`, `at`"
    flink.execute_sql(f"CREATE TEMPORARY VIEW events AS SELECT {columns} FROM source WHERE {WHOLE}")
    flink.execute_sql("""CREATE TEMPORARY VIEW placed AS
        SELECT d.region, e.sensor, e.`value`, e.`at` FROM events e
        JOIN devices FOR SYSTEM_TIME AS OF e.`at` AS d ON e.device_id = d.device_id""")


def windows(job: Job) -> str:
    """The query of jobs A and C, and their sink."""
    key, view = ("device_id", "events") if job.job == "A" else ("region", "placed")
    sink = f"""CREATE TABLE sink (window_start TIMESTAMP(3), {key} STRING, sensor STRING,
        `count` BIGINT, average DOUBLE, minimum DOUBLE, maximum DOUBLE)
        WITH ('connector' = 'filesystem', 'path' = 'file://{job.out / "rows"}', 'format' = 'json')"""
    query = f"""INSERT INTO sink SELECT window_start, {key}, sensor, {AGGREGATES}
        FROM TABLE(TUMBLE(TABLE {view}, DESCRIPTOR(`at`), INTERVAL '10' SECOND))
        GROUP BY window_start, window_end, {key}, sensor"""
    return f"{sink};{query}"


def latest(job: Job) -> str:
    """The query of job B, and its sink: a changelog, for the filesystem knows no upsert."""
    sink = f"""CREATE TABLE sink (device_id STRING, sensor STRING, `timestamp` TIMESTAMP(3), `value` DOUBLE)
        WITH ('connector' = 'filesystem', 'path' = 'file://{job.out / "changes"}',
              'format' = 'debezium-json')"""
    query = """INSERT INTO sink SELECT device_id, sensor, `at`, `value` FROM (
        SELECT *, ROW_NUMBER() OVER (PARTITION BY device_id, sensor ORDER BY `at` DESC) AS nr FROM events)
        WHERE nr = 1"""
    return f"{sink};{query}"


def keep_newest(job: Job) -> None:
    """Job B's changelog as one row per key. Not timed: a real sink would have replaced rows."""
    newest: dict[tuple[str, str], str] = {}
    for path in sorted((job.out / "changes").iterdir(), key=lambda path: path.name):
        for line in path.read_text().splitlines():
            row = json.loads(line)["after"]
            if row:
                newest[row["device_id"], row["sensor"]] = json.dumps(row)
    (job.out / "rows").mkdir()
    (job.out / "rows" / "rows.json").write_text("\n".join(newest.values()))


def main() -> None:
    job = arguments(lambda parser: parser.add_argument("--parallelism", type=int, default=2))
    flink = environment(job.parallelism)
    declare(flink, job)
    sink, query = (latest(job) if job.job == "B" else windows(job)).split(";")
    flink.execute_sql(sink)
    began = time.perf_counter()
    flink.execute_sql(query).wait()
    write_summary(job, began=began, ended=time.perf_counter(), rejects=None)
    if job.job == "B":
        keep_newest(job)


if __name__ == "__main__":
    main()
