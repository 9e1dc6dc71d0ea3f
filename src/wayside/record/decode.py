"""From JSON to columns, once, where a record enters: one strict meaning whatever the batch size.

Accepted is what RFC 8259 calls an object, with each declared field once and of its type; numbers are finite and
integers fit 64 bits; nesting ends at 32. Undeclared fields are ignored. A refused line keeps its bytes and the name of
the rule that it broke.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from operator import attrgetter, or_
from typing import Annotated, Any

import msgspec
import numpy as np
import polars as pl

from wayside.record.base import Record
from wayside.record.fields import FieldSpec
from wayside.record.judge import Decoded, validate
from wayside.record.strict import broken_structure
from wayside.record.times import IMPOSSIBLE, common_times, parse_seconds, parse_times, whole_seconds
from wayside.specs import TIME
from wayside.values import Rejection

INTEGER = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
WIRE: dict[str, Any] = {"str": str, "int": INTEGER, "float": float, "bool": bool, "time": str | INTEGER | float}
FEW = 1_000
"""Times of fewer lines than this are looked at one by one first: asking Polars costs more."""
MISSING = re.compile(r"missing required field `([^`]+)`")
AT = re.compile(r"at `\$\.([^`.\[]+)")
SYNTAX = Rejection(0, "json.syntax", "The line is not valid JSON.")


class Decoder:
    """Decodes lines of JSON into frames of one record: the strict one, whose verdict is the meaning."""

    def __init__(self, record: type[Record]) -> None:
        self.record = record
        self.specs = list(record.fields.values())
        struct = msgspec.defstruct(
            record.__name__,
            [
                (spec.name, WIRE[spec.kind] | None, None) if spec.optional else (spec.name, WIRE[spec.kind])
                for spec in self.specs
            ],
            gc=False,
            kw_only=True,  # a required field may follow an optional one
        )
        self.decode_one = msgspec.json.Decoder(struct).decode
        self.timed = [spec for spec in self.specs if spec.kind == "time"]
        self.texts = [spec.name for spec in self.specs if spec.kind in ("str", "time")]

    def decode(self, lines: Sequence[bytes], received: datetime) -> Decoded:
        """Decode one JSON object per element; `received` bounds the event times."""
        objects: list[Any] = []
        broken: list[Rejection] = []
        left = iter(lines)
        while True:
            try:
                objects.extend(map(self.decode_one, left))  # keeps what came before a line that fails
                break
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                row = len(objects) + len(broken)
                broken.append(self.explain(row, lines[row], error))
        if not objects:
            return Decoded(self.record.empty(), pl.Series("row", [], dtype=pl.UInt32), broken)
        frame, times = self.columns(objects)
        numbers = np.arange(len(lines), dtype=np.uint32)
        if broken:
            numbers = np.delete(numbers, [rejection.row for rejection in broken])
        decoded = self.structure(self.judge(frame, times, pl.Series("row", numbers), received), lines)
        rejections = broken + decoded.rejections
        return Decoded(decoded.frame, decoded.rows, sorted(rejections, key=lambda rejection: rejection.row))

    def columns(self, objects: list[Any]) -> tuple[pl.DataFrame, dict[str, pl.Series]]:
        """Columns of decoded objects; for each time field with values that are no instant, where those are.

        Where no object has all its instants, there are no columns to be read.
        """
        read: dict[str, pl.Series] = {}
        failed: dict[str, pl.Series] = {}
        for spec in self.timed:
            read[spec.name], bad = times(spec, list(map(attrgetter(spec.name), objects)))
            if bad is not None:
                failed[spec.name] = bad
        if failed and reduce(or_, failed.values()).all():
            return self.record.empty(), failed
        for spec in self.specs:
            if spec.kind != "time":
                values = list(map(attrgetter(spec.name), objects))
                read[spec.name] = pl.Series(spec.name, values, dtype=spec.polars)
        return pl.DataFrame([read[spec.name] for spec in self.specs]), failed

    def judge(self, frame: pl.DataFrame, failed: dict[str, pl.Series], rows: pl.Series, received: datetime) -> Decoded:
        """Apply unreadable times and the record's rules; split into accepted and rejected."""
        if not failed:
            return validate(self.record, frame, rows, received)
        refused: dict[int, Rejection] = {}
        for name, bad in failed.items():
            message = f"`{name}` must be ISO 8601 with an offset, or seconds since 1970."
            for row in rows.filter(bad):
                refused.setdefault(row, Rejection(row, f"{name}.instant", message))
        good = ~reduce(or_, failed.values())
        if not good.any():
            return Decoded(self.record.empty(), rows.clear(), list(refused.values()))
        judged = validate(self.record, frame.filter(good), rows.filter(good), received)
        return Decoded(judged.frame, judged.rows, [*refused.values(), *judged.rejections])

    def structure(self, decoded: Decoded, lines: Sequence[bytes]) -> Decoded:
        """Refuse repeated keys and deep nesting, which the JSON reader lets pass; only odd lines are parsed again."""
        broken = broken_structure(decoded.frame, decoded.rows, lines, self.texts)
        if not broken:
            return decoded
        keep = pl.Series([row not in broken for row in decoded.rows], dtype=pl.Boolean)
        more = [Rejection(row, *why) for row, why in broken.items()]
        return Decoded(decoded.frame.filter(keep), decoded.rows.filter(keep), decoded.rejections + more)

    def explain(self, row: int, line: bytes, error: Exception) -> Rejection:
        """The rule that a line broke before it had columns."""
        if isinstance(error, RecursionError):
            return Rejection(row, "json.depth", "The line is nested deeper than 32 levels.")
        if not isinstance(error, msgspec.ValidationError):
            return Rejection(row, SYNTAX.rule, f"The line is not valid JSON: {error}."[:300])
        text = str(error)
        if missing := MISSING.search(text):
            return Rejection(row, f"{missing[1]}.required", f"`{missing[1]}` is missing or null.")
        if not (at := AT.search(text)):
            return Rejection(row, "json.object", f"The line must be one JSON object: {text}.")
        if text.startswith("Expected `int` ") and ("<=" in text or ">=" in text):
            return Rejection(row, f"{at[1]}.range", f"`{at[1]}` does not fit 64 bits.")
        rule = "required" if "got `null`" in text else "type"
        return Rejection(row, f"{at[1]}.{rule}", f"`{at[1]}`: {text.split(' - at')[0].lower()}.")


def times(spec: FieldSpec, values: list[Any]) -> tuple[pl.Series, pl.Series | None]:
    """Instants of a column that may mix text and numbers, and where a given value was no instant."""
    if values and type(values[0]) is int and (column := whole_seconds(values)) is not None:
        return column.alias(spec.name), None
    if (column := common_times(values)) is not None:
        return column.alias(spec.name), None
    if len(values) <= FEW and all(isinstance(value, str) and IMPOSSIBLE(value) for value in values):
        return pl.Series(spec.name, [None] * len(values), dtype=TIME), pl.Series([True] * len(values))
    try:
        texts = pl.Series(spec.name, values, dtype=pl.String, strict=True)
        column = parse_times(texts, spec.zone)
        given = texts.is_not_null() if texts.null_count() else None
    except (TypeError, pl.exceptions.PolarsError):
        texts = pl.Series("text", [v if isinstance(v, str) else None for v in values], dtype=pl.String)
        numbers = pl.Series([None if isinstance(v, str) else v for v in values], dtype=pl.Float64, strict=False)
        column = parse_seconds(numbers)
        if texts.null_count() < len(texts):
            column = pl.select(pl.coalesce(parse_times(texts, spec.zone), column)).to_series()
        column = column.alias(spec.name)
        given = texts.is_not_null() | numbers.is_not_null()
    missing = column.null_count()
    if not missing or (given is not None and missing == len(given) - given.sum()):
        return column, None
    return column, column.is_null() if given is None else column.is_null() & given
