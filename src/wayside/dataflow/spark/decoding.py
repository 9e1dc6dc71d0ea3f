"""From messages of a topic to rows, with the verdicts of the door: any producer may write to a broker.

What a feed of Wayside wrote was judged when it came in and passes again. What strangers wrote meets the same rules
here, under the same names. One thing differs: a time that lies too far ahead is judged last, row by row by the moment
at which the broker appended the message, so that the verdict does not depend on the micro-batch.

Values are JSON, or Avro in the wire format of a schema registry, both in one topic if it comes to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from wayside.dataflow.refusing import raw_lines
from wayside.dataflow.rows import Rows
from wayside.dataflow.spark.avro import NO_SCHEMAS, AvroDecoder, renumbered
from wayside.dataflow.watermark import Micros
from wayside.domain import Topic
from wayside.record.bulk import BulkDecoder, merged
from wayside.record.judge import Decoded
from wayside.record.rules import AHEAD, time_rule
from wayside.wire.avro import is_framed

NO_LIMIT = datetime(9999, 1, 1, tzinfo=UTC)
AHEAD_MICROS = AHEAD // timedelta(microseconds=1)


@dataclass(frozen=True)
class Messages:
    """Messages of one partition in the order of their offsets; moments of appending in microseconds since 1970.

    `ids` are those of the records, null where there is none.
    """

    topic: str
    partition: int
    offsets: Micros
    appended: Micros
    values: list[bytes | None]
    ids: pl.Series

    def part(self, start: int) -> Messages:
        """The messages from a number on."""
        return self.at(np.arange(start, len(self.values))) if start else self

    def at(self, numbers: npt.NDArray[np.int64]) -> Messages:
        """Some of the messages, by number."""
        values = [self.values[number] for number in numbers.tolist()]
        ids = self.ids.gather(numbers)
        return replace(self, offsets=self.offsets[numbers], appended=self.appended[numbers], values=values, ids=ids)


@dataclass(frozen=True)
class Judged:
    """Rows that keep their record's rules, and of the others: offset, rule, sentence and bytes."""

    rows: Rows
    refused: list[tuple[int, str, str, bytes]]


class TopicDecoder:
    """Decodes messages of one topic; `schemas` are the texts of Avro schemas by id, null where there is none."""

    def __init__(self, topic: Topic, schemas: Mapping[int, str | None] = NO_SCHEMAS) -> None:
        self.topic = topic
        self.bulk = BulkDecoder(topic.record)
        self.avro = AvroDecoder(topic.record, schemas)

    def unknown(self, messages: Messages) -> set[int]:
        """Ids of schemas that must be looked up before these messages can be decoded."""
        return self.avro.unknown(messages.values)

    def decode(self, messages: Messages) -> Judged:
        """Rows in the order of their offsets."""
        lines = [value or b"" for value in messages.values]
        framed = [number for number, line in enumerate(lines) if is_framed(line)]
        decoded = self.mixed(lines, framed) if framed else self.bulk.decode(lines, NO_LIMIT)
        refused = [
            (int(messages.offsets[broken.row]), broken.rule, broken.message, lines[broken.row])
            for broken in decoded.rejections
        ]
        taken = decoded.rows.to_numpy()
        rows = Rows(
            messages.topic, messages.partition, decoded.frame, messages.offsets[taken], messages.appended[taken]
        )
        return self.plausible(rows, refused, messages, lines)

    def mixed(self, lines: list[bytes], framed: list[int]) -> Decoded:
        """Values of which some are Avro. A refused row of these is kept as JSON, which its feed can read again."""
        read = self.avro.decode([lines[number] for number in framed], NO_LIMIT)
        for number, line in read.raws.items():
            lines[framed[number]] = line
        found = renumbered(read.decoded, framed)
        if len(framed) == len(lines):
            return found
        avro = {*framed}
        others = [number for number in range(len(lines)) if number not in avro]
        plain = self.bulk.decode([lines[number] for number in others], NO_LIMIT)
        return merged(renumbered(plain, others), found)

    def plausible(
        self, rows: Rows, refused: list[tuple[int, str, str, bytes]], messages: Messages, lines: list[bytes]
    ) -> Judged:
        """Refuse rows whose time lies more than a day after the moment at which they were appended."""
        time = self.topic.record.time
        if time is None or not rows.frame.height:
            return Judged(rows, refused)
        ahead = rows.times(time) > rows.appended + AHEAD_MICROS
        if not ahead.any():
            return Judged(rows, refused)
        rule = time_rule(time, NO_LIMIT)
        line_of = dict(zip(messages.offsets.tolist(), lines, strict=True))
        written = zip(rows.offsets[ahead].tolist(), raw_lines(rows.frame.filter(pl.Series(ahead))), strict=True)
        line_of |= {offset: line for offset, line in written if is_framed(line_of[offset])}
        refused = refused + [(o, rule.name, rule.message, line_of[o]) for o in rows.offsets[ahead].tolist()]
        appended = rows.appended if isinstance(rows.appended, int) else rows.appended[~ahead]
        kept = Rows(rows.topic, rows.partition, rows.frame.filter(pl.Series(~ahead)), rows.offsets[~ahead], appended)
        return Judged(kept, sorted(refused))


def micros_of(moments: pl.Series) -> Micros:
    """Instants as microseconds since 1970."""
    found: Micros = moments.cast(pl.Datetime("us", "UTC")).to_physical().to_numpy()
    return found
