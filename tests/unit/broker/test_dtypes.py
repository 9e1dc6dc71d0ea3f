"""Specs as JSON: every type that a log holds comes back, and what it cannot hold is refused at once."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from wayside.broker.dtypes import dtype_from_json, spec_from_json, spec_to_json
from wayside.errors import DeclarationError
from wayside.specs import TIME, TopicSpec

KINDS: dict[str, pl.DataType] = {
    "text": pl.String(),
    "octets": pl.Binary(),
    "flag": pl.Boolean(),
    "byte": pl.UInt8(),
    "real": pl.Float32(),
    "day": pl.Date(),
    "hour": pl.Time(),
    "at": TIME,
    "local": pl.Datetime("ms"),
    "span": pl.Duration("ns"),
    "money": pl.Decimal(20, 4),
    "kind": pl.Enum(["ä", "b"]),
    "label": pl.Categorical(),
    "list": pl.List(pl.List(pl.Enum(["x"]))),
    "array": pl.Array(pl.Float64(), 3),
    "pair": pl.Struct({"x": pl.Int8(), "when": pl.Datetime("us", "Europe/Berlin")}),
    "nothing": pl.Null(),
}


def test_every_type_comes_back() -> None:
    spec = TopicSpec(
        "a topic",
        pl.Schema(KINDS),
        key=("text", "day"),
        time="at",
        partitions=7,
        retention_age=timedelta(days=1, microseconds=1),
        retention_bytes=10**12,
        compact=True,
        dedup_horizon=timedelta(seconds=5),
    )
    assert spec_from_json(spec_to_json(spec)) == spec


def test_no_retention_comes_back_as_none() -> None:
    spec = TopicSpec("t", pl.Schema({"n": pl.Int64()}), retention_age=None)
    assert spec_from_json(spec_to_json(spec)) == spec


@pytest.mark.parametrize("dtype", [pl.Object(), pl.Int128(), pl.List(pl.Int128())])
def test_what_has_no_stable_form_is_refused(dtype: pl.DataType) -> None:
    with pytest.raises(DeclarationError, match="cannot hold"):
        spec_to_json(TopicSpec("t", pl.Schema({"n": dtype})))


@pytest.mark.parametrize("value", [["Datetime"], ["What", 1], {}, 7])
def test_unknown_types_are_named(value: object) -> None:
    with pytest.raises(ValueError, match="unknown column type"):
        dtype_from_json(value)


def test_every_damage_is_seen() -> None:
    data = spec_to_json(TopicSpec("t", pl.Schema({"n": pl.Int64()})))
    for at in range(len(data) - 1):
        changed = bytearray(data)
        changed[at] ^= 1
        with pytest.raises(ValueError, match="checksum"):
            spec_from_json(bytes(changed))
