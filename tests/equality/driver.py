"""A driver of Spark as a process of its own, to be killed: reads a topic to its end and says what it does.

python -m tests.equality.driver SERVERS TOPIC PARTITIONS FOLDER
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from cluster import spark as spark_jars
from tests.equality.job_a import plan_of
from tests.equality.worlds import BareKafka, on_spark
from wayside.dataflow.spark import SparkEngine, session
from wayside.hot.sqlite import SqliteStore

BATCH = 4_000


def say(text: str) -> None:
    print(text, flush=True)


class Telling(SparkEngine):
    """Says when a micro-batch begins and ends."""

    def apply(self, messages: Any, query: str, batch: int) -> int:
        say(f"begin {batch}")
        rows = super().apply(messages, query, batch)
        say(f"end {batch} {rows}")
        return rows


def main() -> None:
    servers, topic, partitions, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
    plan = plan_of(topic, partitions)
    log = BareKafka(servers, plan)
    spark = session("local[2]", jars=spark_jars.install(), memory="1g", scratch=folder / "scratch")
    store = SqliteStore(folder / "hot.sqlite")
    engine = on_spark(plan, log, spark, store, folder, max_offsets=BATCH, kind=Telling)
    engine.start()
    say("started")
    while sum(node.lag for node in engine.status()):
        time.sleep(0.2)
    engine.stop()
    store.close()
    say("done")


if __name__ == "__main__":
    main()
