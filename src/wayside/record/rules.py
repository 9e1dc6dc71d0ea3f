"""Named constraints: each is an expression that is true for a row that keeps it.

A rule's name is `field.what`, for instance `value.range`; rows are judged by the first rule that they break.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_

import polars as pl

from wayside.record.fields import KEY_LENGTH, TEXT_LENGTH, FieldSpec
from wayside.record.times import EPOCH, FIRST_MICRO, LAST_MICRO

CONTROL = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
AHEAD = timedelta(hours=24)
FEW = 8


@dataclass(frozen=True)
class Rule:
    """A constraint: its name, the sentence for people, and its expression."""

    name: str
    message: str
    keeps: pl.Expr


RowRule = Callable[[], pl.Expr]


def rule(function: RowRule) -> RowRule:
    """Mark a function without arguments in a record's body as a constraint over a whole row.

    It returns a Polars expression that is true for a good row; its docstring is the sentence that users see.
    """
    function.__wayside_rule__ = True  # type: ignore[attr-defined]  # a mark that the record's class body is read for
    return function


def field_rules(spec: FieldSpec, *, key: bool) -> list[Rule]:
    """The rules of one field in the order in which they are judged."""
    column = pl.col(spec.name)
    rules: list[Rule] = []
    if not spec.optional:
        rules.append(Rule(f"{spec.name}.required", f"`{spec.name}` is missing or null.", column.is_not_null()))
    rules.extend(bounds(spec, column))
    if spec.kind == "time":
        rules.append(calendar(spec, column))
    if spec.kind == "str":
        rules.extend(texts(spec, column, key))
    return [Rule(r.name, r.message, r.keeps | column.is_null()) if spec.optional else r for r in rules]


def bounds(spec: FieldSpec, column: pl.Expr) -> list[Rule]:
    """Rules of numbers: finite, and within the declared range."""
    rules: list[Rule] = []
    unit = f" {spec.unit}" if spec.unit else ""
    if spec.kind == "float":
        rules.append(Rule(f"{spec.name}.finite", f"`{spec.name}` must be a finite number.", column.is_finite()))
    if spec.ge is not None or spec.le is not None:
        low = column >= spec.ge if spec.ge is not None else pl.lit(True)
        high = column <= spec.le if spec.le is not None else pl.lit(True)
        text = " and ".join(
            part
            for part in (
                f"at least {spec.ge:g}{unit}" if spec.ge is not None else "",
                f"at most {spec.le:g}{unit}" if spec.le is not None else "",
            )
            if part
        )
        rules.append(Rule(f"{spec.name}.range", f"`{spec.name}` must be {text}.", low & high))
    return rules


def calendar(spec: FieldSpec, column: pl.Expr) -> Rule:
    """An instant has a name in the calendar; a transform can compute others, which few stores can hold."""
    inside = column.cast(pl.Int64).is_between(FIRST_MICRO, LAST_MICRO)
    return Rule(f"{spec.name}.instant", f"`{spec.name}` must lie in the years 1 to 9999.", inside)


def texts(spec: FieldSpec, column: pl.Expr, key: bool) -> list[Rule]:
    """Rules of text: allowed values, length, pattern; a key has no control or direction-changing characters."""
    if spec.choices:
        words = ", ".join(spec.choices)
        return [Rule(f"{spec.name}.choice", f"`{spec.name}` must be one of {words}.", one_of(column, spec.choices))]
    least, most = text_bounds(spec, key)
    keeps = column.str.len_bytes() <= most
    # Only text whose bytes exceed the bound can have more characters than it: count those alone.
    keeps = pl.when(keeps).then(True).otherwise(column.str.len_chars() <= most)
    if least:
        keeps = keeps & (column.str.len_chars() >= least if least > 1 else column.str.len_bytes() > 0)
    rules = [Rule(f"{spec.name}.length", f"`{spec.name}` must have {least} to {most} characters.", keeps)]
    if spec.pattern is not None:
        whole = f"^(?:{spec.pattern})$"
        rules.append(
            Rule(f"{spec.name}.pattern", f"`{spec.name}` must match {spec.pattern}.", column.str.contains(whole))
        )
    if key:
        clean = ~column.str.contains(CONTROL)
        rules.append(Rule(f"{spec.name}.text", f"`{spec.name}` must not contain control characters.", clean))
    return rules


def text_bounds(spec: FieldSpec, key: bool) -> tuple[int, int]:
    """Fewest and most characters of a text."""
    least = spec.min_length if spec.min_length is not None else (1 if key else 0)
    return least, spec.max_length if spec.max_length is not None else (KEY_LENGTH if key else TEXT_LENGTH)


def one_of(column: pl.Expr, choices: tuple[str, ...]) -> pl.Expr:
    """Whether a text is one of these. A few comparisons cost a quarter of a look into a set."""
    if len(choices) > FEW:
        return column.is_in(choices)
    return reduce(or_, (column == choice for choice in choices))


def time_rule(name: str, received: datetime) -> Rule:
    """The event time must lie after 1970 and at most a day ahead of the moment of receipt."""
    column = pl.col(name)
    limit = pl.lit(received + AHEAD).cast(pl.Datetime("us", "UTC"))
    first = pl.lit(EPOCH).cast(pl.Datetime("us", "UTC"))
    message = f"`{name}` must lie between 1970 and one day after the moment of receipt."
    return Rule(f"{name}.plausible", message, (column >= first) & (column <= limit))


def first_broken(frame: pl.DataFrame, rules: list[Rule]) -> pl.Series:
    """Index of the first broken rule per row, or null for a row that keeps them all."""
    if not rules:
        return pl.Series("rule", [None] * frame.height, dtype=pl.Int32)
    broken = [
        pl.when(~rule.keeps.fill_null(False)).then(pl.lit(index, dtype=pl.Int32)) for index, rule in enumerate(rules)
    ]
    return frame.select(pl.coalesce(*broken).alias("rule")).to_series()


def all_kept(frame: pl.DataFrame, rules: list[Rule]) -> bool:
    """True when no row breaks any rule: one pass, no per-row verdict."""
    if not rules or frame.is_empty():
        return True
    verdict = frame.select(pl.all_horizontal(rule.keeps.fill_null(False) for rule in rules).all())
    return bool(verdict.item())
