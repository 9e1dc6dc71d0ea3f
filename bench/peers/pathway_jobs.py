"""Pathway, static input, lines parsed by a Python function that keeps malformed ones.

Lines reach the function in no order (a counter in it does not follow the file), so job B cannot tell which of two
readings of the same second came last, and gives another answer than the reference for those keys.
"""

from __future__ import annotations

import time
from typing import Any

import pathway as pw
from common import WINDOW_S, Job, Parser, Rows, arguments, write_summary

Message = tuple[str, str, float, int]


def events(job: Job, parse: Parser) -> pw.Table:
    """Valid messages: device, sensor, value, second."""

    def parse_line(line: str) -> Message | None:
        parsed = parse(line.encode())
        return parsed and (parsed[0], parsed[1], float(parsed[2]), int(parsed[3].timestamp()))

    lines = pw.io.plaintext.read(str(job.input), mode="static")
    parsed = lines.select(m=pw.apply_with_type(parse_line, Message | None, pw.this.data))
    whole = parsed.filter(pw.this.m.is_not_none()).select(m=pw.unwrap(pw.this.m))
    return whole.select(device=pw.this.m[0], sensor=pw.this.m[1], value=pw.this.m[2], second=pw.this.m[3])


def windows(rows: pw.Table, job: Job) -> pw.Table:
    """Jobs A and C."""
    if job.job == "C":

        class Device(pw.Schema):
            device_id: str = pw.column_definition(primary_key=True)
            region: str

        devices = pw.io.csv.read(str(job.devices), schema=Device, mode="static")
        joined = rows.join(devices, pw.left.device == pw.right.device_id)
        rows = joined.select(device=pw.right.region, sensor=pw.left.sensor, value=pw.left.value, second=pw.left.second)
    windowed = rows.windowby(
        pw.this.second,
        window=pw.temporal.tumbling(duration=WINDOW_S),
        instance=pw.make_tuple(pw.this.device, pw.this.sensor),
    )
    return windowed.reduce(
        key=pw.this._pw_instance,
        start=pw.this._pw_window_start,
        count=pw.reducers.count(),
        total=pw.reducers.sum(pw.this.value),
        minimum=pw.reducers.min(pw.this.value),
        maximum=pw.reducers.max(pw.this.value),
    )


def main() -> None:
    job = arguments()
    parse, out = Parser(job), Rows(job)
    rows = events(job, parse)
    latest: dict[tuple[str, str], tuple[int, float]] = {}

    def on_window(key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:
        if is_addition:
            count = row["count"]
            out.write((row["start"], *row["key"], count, row["total"] / count, row["minimum"], row["maximum"]))

    def on_latest(key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:
        if is_addition:
            latest[row["device"], row["sensor"]] = row["newest"]

    if job.job == "B":  # the greatest second; among equals the greatest value, for lines come in no order
        newest = pw.reducers.max(pw.make_tuple(pw.this.second, pw.this.value))
        grouped = rows.groupby(pw.this.device, pw.this.sensor)
        pw.io.subscribe(grouped.reduce(pw.this.device, pw.this.sensor, newest=newest), on_latest)
    else:
        pw.io.subscribe(windows(rows, job), on_window)
    began = time.perf_counter()
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)
    for key, newest in latest.items():
        out.write((*key, *newest))
    out.close()
    parse.close()
    write_summary(job, began=began, ended=time.perf_counter(), rejects=parse.rejects)


if __name__ == "__main__":
    main()
