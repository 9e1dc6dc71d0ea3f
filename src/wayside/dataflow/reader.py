"""Reading the log for a micro-batch: every partition gets its turn, and lost records are said loudly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from wayside.dataflow.status import Board
from wayside.errors import OffsetOutOfRangeError
from wayside.ports import Broker
from wayside.values import Batch, Position

log = structlog.get_logger()


class LogReader:
    """Reads topics in a stated order, so that tables are known before the rows that look into them."""

    def __init__(self, broker: Broker, order: Sequence[str], board: Board) -> None:
        self.broker = broker
        self.order = list(order)
        self.board = board

    def read(self, positions: Mapping[Position, int], rows: int) -> list[Batch]:
        """The next rows of every partition, together about as many as asked for."""
        batches: list[Batch] = []
        for position in sorted(positions, key=lambda place: (self.order.index(place[0]), place[1])):
            if rows <= 0:
                break
            batch = self.partition(position, positions[position], rows)
            if batch is not None and batch.next > positions[position]:
                batches.append(batch)
                rows -= batch.frame.height
        return batches

    def partition(self, position: Position, offset: int, rows: int) -> Batch | None:
        """Rows of one partition; when retention has overtaken the reader, say how much was lost and go on."""
        topic, partition = position
        try:
            return self.broker.read(topic, partition, offset, max_rows=rows)
        except OffsetOutOfRangeError as error:
            start = next(info.start for info in self.broker.partitions(topic) if info.partition == partition)
            lost = start - offset
            log.error("data loss: retention passed the engine", topic=topic, partition=partition, records=lost)
            self.board.refused(
                topic, lost, f"{lost} records were removed by retention before they were read: {error.what}"
            )
            return self.broker.read(topic, partition, start, max_rows=rows)
