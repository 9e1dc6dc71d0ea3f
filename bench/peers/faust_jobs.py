"""Faust at its best: no broker and no changelog, only an agent that is fed in-process and a table in memory.

What a real deployment adds (Kafka in and out, a changelog per table) is left out, so its figure flatters it.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import faust
from common import WINDOW_S, Job, Parser, Rows, arguments, fold, write_summary
from faust.windows import TumblingWindow


def build(job: Job, parse: Parser) -> tuple[Any, Any]:
    """The agent of a job, and its table."""
    # The address is never asked: the agent runs in its test context.
    app = faust.App(
        "bench",
        broker="kafka://127.0.0.1:1",
        store="memory://",
        web_enabled=False,
        topic_partitions=1,
        datadir=str(job.out / "faust"),
    )
    table = app.Table("table", default=lambda: None, partitions=1)
    regions = job.regions() if job.job == "C" else None
    window = TumblingWindow(float(WINDOW_S))

    @app.agent(app.topic("messages", value_type=bytes, value_serializer="raw"))
    async def agent(stream: Any) -> None:
        state = table.data
        async for line in stream:
            message = parse(line)
            if message is None:
                continue
            device, sensor, value, at = message
            second = at.timestamp()
            if job.job == "B":
                seen = state.get((device, sensor))
                if seen is None or second >= seen[0]:
                    state[device, sensor] = (second, value)
            else:
                start, _ = window.current(second)
                key = (int(start), regions[device] if regions else device, sensor)
                state[key] = fold(state.get(key), value)

    return agent, table


async def run(job: Job, agent: Any) -> float:
    """Feed every line; returns when feeding began."""
    async with agent.test_context() as context:
        began = time.perf_counter()
        with job.input.open("rb") as lines:
            for line in lines:
                await context.put(line[:-1])
    return began


def main() -> None:
    job = arguments()
    parse, out = Parser(job), Rows(job)
    agent, table = build(job, parse)
    began = asyncio.new_event_loop().run_until_complete(run(job, agent))
    for key, state in dict(table.data).items():
        if job.job == "B":
            out.write((*key, int(state[0]), state[1]))
        else:
            count, total, minimum, maximum = state
            out.write((*key, count, total / count, minimum, maximum))
    out.close()
    parse.close()
    write_summary(job, began=began, ended=time.perf_counter(), rejects=parse.rejects)


if __name__ == "__main__":
    main()
