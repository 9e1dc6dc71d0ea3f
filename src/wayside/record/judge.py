"""The rules of a record, put together once, so that a batch of good rows costs little.

Almost all batches are good as a whole, and that is shown without a verdict per row: numbers and times by their
extremes, the texts of a few rows one by one, the texts of many rows in one pass. Only when a batch cannot be shown to
be good that way are the rules themselves applied, one after the other, row by row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import polars as pl

from wayside.record.base import Record
from wayside.record.fields import FieldSpec
from wayside.record.rules import AHEAD, Rule, field_rules, first_broken, text_bounds
from wayside.record.times import EPOCH, FIRST_MICRO, LAST_MICRO, MICROSECOND
from wayside.values import Rejection

NOTHING: Mapping[str, tuple[int, int]] = MappingProxyType({})
FEW = 256
"""Texts of fewer rows than this are looked at one by one: building an expression costs more."""


@dataclass(frozen=True)
class Decoded:
    """Accepted rows with their numbers in the input, and why the others were refused."""

    frame: pl.DataFrame
    rows: pl.Series
    rejections: list[Rejection]


class Judge:
    """Splits frames of one record into what keeps its rules and what does not."""

    def __init__(self, record: type[Record]) -> None:
        self.record = record
        self.texts = [spec for spec in record.fields.values() if spec.kind == "str"]
        self.others = [spec for spec in record.fields.values() if spec.kind != "str"]
        by_text = [rule for spec in self.texts for rule in field_rules(spec, key=spec.name in record.key)]
        # Nulls of required fields are found before this is asked, so that every rule here is true or false.
        by_row = [rule.keeps.fill_null(False) for rule in record.row_rules]
        self.row_rules = combined(by_row)
        patterns = [rule.keeps for rule in by_text if rule.name.endswith(".pattern")]
        self.few = combined(patterns + by_row)
        self.many = combined([rule.keeps for rule in by_text] + by_row)
        self.many_clean = combined([rule.keeps for rule in by_text if not rule.name.endswith(".text")] + by_row)

    def judge(
        self,
        frame: pl.DataFrame,
        rows: pl.Series,
        received: datetime,
        *,
        clean: bool = False,
        sizes: Mapping[str, tuple[int, int]] = NOTHING,
    ) -> Decoded:
        """Accepted rows, and for each of the others the first rule that it broke.

        With `clean` it is known that all text is printable ASCII; `sizes` bounds the bytes of the texts of a field.
        """
        if self.keeps_all(frame, received, clean=clean, sizes=sizes):
            return Decoded(frame, rows, [])
        rules: list[Rule] = self.record.rules(received)
        verdict = first_broken(frame, rules)
        good = verdict.is_null()
        broken = zip(rows.filter(~good), verdict.drop_nulls(), strict=True)
        rejections = [Rejection(row, rules[index].name, rules[index].message) for row, index in broken]
        return Decoded(frame.filter(good), rows.filter(good), rejections)

    def keeps_all(
        self,
        frame: pl.DataFrame,
        received: datetime | None,
        *,
        clean: bool = False,
        sizes: Mapping[str, tuple[int, int]] = NOTHING,
    ) -> bool:
        """Whether all rows are beyond doubt; event times are bounded by the moment of receipt, if one is given."""
        if frame.is_empty():
            return True
        if any(not spec.optional and frame[spec.name].null_count() for spec in self.record.fields.values()):
            return False
        limit = None if received is None else received + AHEAD
        for spec in self.others:
            if not within(spec, frame[spec.name], limit if spec.name == self.record.time else None):
                return False
        if clean and all(sized(spec, sizes.get(spec.name), spec.name in self.record.key) for spec in self.texts):
            return holds(frame, self.row_rules)
        if frame.height >= FEW:
            return holds(frame, self.many_clean if clean else self.many)
        keys = self.record.key
        return all(plain(spec, frame[spec.name].to_list(), spec.name in keys) for spec in self.texts) and holds(
            frame, self.few
        )


def sized(spec: FieldSpec, size: tuple[int, int] | None, key: bool) -> bool:
    """Whether printable ASCII of these sizes keeps all rules of its field."""
    if size is None or spec.choices or spec.pattern is not None:
        return False
    least, most = text_bounds(spec, key)
    return least <= size[0] and size[1] <= most


def combined(keeps: list[pl.Expr]) -> pl.Expr | None:
    """One expression for all rows and rules."""
    return pl.all_horizontal(keeps).all() if keeps else None


def holds(frame: pl.DataFrame, good: pl.Expr | None) -> bool:
    """Whether an expression is true for the frame."""
    return good is None or bool(frame.select_seq(good).item())


def within(spec: FieldSpec, column: pl.Series, limit: datetime | None) -> bool:
    """Whether the numbers or times of a column keep all their rules, by their sum and extremes."""
    if spec.kind == "float" and not math.isfinite(column.sum()):
        return False
    if spec.kind == "time":
        return dated(column, limit)
    if spec.ge is None and spec.le is None:
        return True
    least: Any = column.min()
    most: Any = column.max()
    if least is None:
        return True
    return (spec.ge is None or least >= spec.ge) and (spec.le is None or most <= spec.le)


def dated(column: pl.Series, limit: datetime | None) -> bool:
    """Whether all instants are in the calendar and, with a limit, between 1970 and there."""
    micros = column.cast(pl.Int64)  # Python has no instants beyond the calendar
    least: Any = micros.min()
    most: Any = micros.max()
    if least is None:
        return True
    if limit is None:
        return bool(least >= FIRST_MICRO and most <= LAST_MICRO)
    return bool(least >= 0 and most <= (limit - EPOCH) // MICROSECOND)


def plain(spec: FieldSpec, values: list[str | None], key: bool) -> bool:
    """Whether all texts keep their rules beyond doubt, but for their pattern."""
    if spec.choices:
        return all(value is None or value in spec.choices for value in values)
    least, most = text_bounds(spec, key)
    if not key:
        return all(value is None or least <= len(value) <= most for value in values)
    return all(
        value is None or (least <= len(value) <= most and value.isascii() and value.isprintable()) for value in values
    )


JUDGES: dict[type[Record], Judge] = {}


def judge_of(record: type[Record]) -> Judge:
    """The judge of a record; every caller shares it."""
    if record not in JUDGES:
        JUDGES[record] = Judge(record)
    return JUDGES[record]


def validate(record: type[Record], frame: pl.DataFrame, rows: pl.Series, received: datetime) -> Decoded:
    """Split a frame of the record's columns into rows that keep all rules and the rejections of the others."""
    return judge_of(record).judge(frame, rows, received)
