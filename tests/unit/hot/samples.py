"""Declarations and rows that the tests of the hot store share. Nothing in them is of a domain."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from wayside.ports import HotStore
from wayside.specs import TIME, Aggregate, TableSpec, WindowSpec
from wayside.values import Checkpoint

T0 = datetime(2026, 3, 1, tzinfo=UTC)

TABLE = TableSpec(
    name="latest",
    schema=pl.Schema({"thing": pl.String, "part": pl.Int64, "at": TIME, "value": pl.Float64, "note": pl.String}),
    key=("thing", "part"),
    time="at",
    search=("thing", "note"),
)

INPUT = pl.Schema({"thing": pl.String(), "part": pl.Int64(), "at": TIME, "value": pl.Float64()})

WINDOW = WindowSpec(
    name="rollup",
    kind="tumbling",
    by=("thing", "part"),
    time="at",
    size=timedelta(seconds=10),
    every=timedelta(seconds=10),
    gap=timedelta(0),
    lateness=timedelta(seconds=2),
    aggregates={"count": Aggregate("count"), "average": Aggregate("mean", "value")},
    input=INPUT,
)


def second(number: float) -> datetime:
    """So many seconds after the start of the samples."""
    return T0 + timedelta(seconds=number)


def row(thing: str, at: float, offset: int, **more: Any) -> dict[str, Any]:
    """One row of the table; `at` in seconds."""
    given = {"part": 0, "value": 1.0, "note": "", "deleted": False, **more}
    deleted = given.pop("deleted")
    return {"thing": thing, "at": second(at), **given, "_offset": offset, "_deleted": deleted}


def table_rows(*rows: dict[str, Any], schema: pl.Schema = TABLE.schema) -> pl.DataFrame:
    """Rows for an upsert."""
    return pl.DataFrame(rows, schema={**schema, "_offset": pl.Int64, "_deleted": pl.Boolean})


def closed(start: float, *things: str, rows: int = 1, total: float = 1.0, part: int = 0) -> pl.DataFrame:
    """One closed window of ten seconds per thing; `start` in seconds."""
    return pl.DataFrame(
        [
            {
                "window_start": second(start),
                "window_end": second(start + 10),
                "thing": thing,
                "part": part,
                "rows": rows,
                "value__sum": total,
                "value__n": rows,
            }
            for thing in things
        ],
        schema=WINDOW.schema,
    )


def late_rows(*offsets: int, partition: int = 0, thing: str = "a") -> pl.DataFrame:
    """Late rows at these places of the log."""
    return pl.DataFrame(
        [
            {
                "thing": thing,
                "part": 0,
                "at": second(offset),
                "value": float(offset),
                "_topic": "input",
                "_partition": partition,
                "_offset": offset,
            }
            for offset in offsets
        ],
        schema={**INPUT, "_topic": pl.String, "_partition": pl.Int64, "_offset": pl.Int64},
    )


def upsert(store: HotStore, *rows: dict[str, Any]) -> None:
    with store.transaction() as change:
        change.upsert("latest", table_rows(*rows))


def close_windows(store: HotStore, *frames: pl.DataFrame) -> None:
    for frame in frames:
        with store.transaction() as change:
            change.append_windows("rollup", frame)


def keys(rows: pl.DataFrame) -> list[tuple[Any, ...]]:
    return rows.select(TABLE.key).rows()


def save(store: HotStore, checkpoint: Checkpoint) -> None:
    with store.transaction() as change:
        change.save("engine", checkpoint)
