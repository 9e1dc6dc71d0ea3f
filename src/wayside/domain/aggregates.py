"""What a window computes. Every aggregate is kept as parts that can be combined again over any range."""

from __future__ import annotations

from wayside.specs import Aggregate


def count() -> Aggregate:
    """Number of records."""
    return Aggregate("count")


def total(column: str) -> Aggregate:
    """Sum of a column's values; nulls add nothing."""
    return Aggregate("sum", column)


def mean(column: str) -> Aggregate:
    """Average of a column's values: sum over count, so that averages over a range are exact."""
    return Aggregate("mean", column)


def minimum(column: str) -> Aggregate:
    """Smallest value of a column."""
    return Aggregate("minimum", column)


def maximum(column: str) -> Aggregate:
    """Largest value of a column."""
    return Aggregate("maximum", column)
