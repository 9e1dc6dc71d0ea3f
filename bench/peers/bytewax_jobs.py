"""Bytewax, one worker, one Python call per event.

Its event-time clock adds the time that passes on the wall to the watermark, which closes windows of replayed
data too early: with `--default-clock` the answer is wrong. So the clock is frozen here, and moves with
event time only.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.connectors.files import FileSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.run import cli_main
from common import LATENESS_S, WINDOW_S, Job, Parser, Rows, arguments, fold, merge, write_summary

ALIGN = datetime(2023, 1, 1, tzinfo=UTC)
FROZEN = datetime.now(UTC)


class Sink(DynamicSink):
    """Writes windows as rows; keeps the newest reading per key for job B."""

    def __init__(self, job: Job, out: Rows) -> None:
        self.job, self.out = job.job, out
        self.latest: dict[str, tuple[datetime, float]] = {}

    def build(self, step_id: str, worker_index: int, worker_count: int) -> StatelessSinkPartition:
        sink = self

        class Partition(StatelessSinkPartition):
            def write_batch(self, items: list[Any]) -> None:
                if sink.job == "B":
                    sink.latest.update(items)
                    return
                for key, (window, (count, total, minimum, maximum)) in items:
                    start = int(ALIGN.timestamp()) + window * WINDOW_S
                    sink.out.write((start, *key.split("|"), count, total / count, minimum, maximum))

        return Partition()

    def finish(self) -> None:
        """Write what is only known at the end."""
        for key, (at, value) in self.latest.items():
            self.out.write((*key.split("|"), int(at.timestamp()), value))
        self.out.close()


def keyed(job: Job, parse: Parser) -> Any:
    """From a line to a key and its reading; None drops the line."""
    regions = job.regions() if job.job == "C" else None

    def step(line: str) -> tuple[str, tuple[datetime, float]] | None:
        message = parse(line.encode())
        if message is None:
            return None
        device, sensor, value, at = message
        return f"{regions[device] if regions else device}|{sensor}", (at, value)

    return step


def newer(state: Any, reading: Any) -> tuple[Any, Any]:
    """Job B's state: the reading with the later time, or the later line of the same second."""
    kept = reading if state is None or reading[0] >= state[0] else state
    return kept, kept


def main() -> None:
    job = arguments(lambda parser: parser.add_argument("--default-clock", action="store_true"))
    parse, out = Parser(job), Rows(job)
    sink = Sink(job, out)
    flow = Dataflow("bench")
    lines = op.input("lines", flow, FileSource(job.input, batch_size=1000))
    readings = op.filter_map("parse", lines, keyed(job, parse))
    if job.job == "B":
        op.output("out", op.stateful_map("latest", readings, newer), sink)
    else:
        frozen = {} if job.default_clock else {"now_getter": lambda: FROZEN, "to_system_utc": lambda at: None}
        clock = win.EventClock(
            ts_getter=lambda reading: reading[0],
            wait_for_system_duration=timedelta(seconds=LATENESS_S),
            **frozen,
        )
        windower = win.TumblingWindower(length=timedelta(seconds=WINDOW_S), align_to=ALIGN)
        add = lambda state, reading: fold(state, reading[1])  # noqa: E731 - an argument of the next line only
        windows = win.fold_window("windows", readings, clock, windower, lambda: None, add, merge)
        op.output("out", windows.down, sink)
    began = time.perf_counter()
    cli_main(flow)
    sink.finish()
    parse.close()
    write_summary(job, began=began, ended=time.perf_counter(), rejects=parse.rejects)


if __name__ == "__main__":
    main()
