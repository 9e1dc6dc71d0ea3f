"""What a question about the past is answered with: the timetables of then, and vehicles as these saw them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from wayside.domain import Queries
from wayside_domains.transit.matching import enriched
from wayside_domains.transit.networks import Networks
from wayside_domains.transit.records import VehicleState


def networks_of(networks: Networks, queries: Queries, given: Mapping[str, str]) -> Networks:
    """The networks with the timetables of the instant that a question is about, as `dated` hands it on."""
    return networks.as_of(queries.now() if given.get("at") else None)


def states_again(networks: Networks) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
    """What makes the states of vehicles once more: each position is compared with the timetable of its own time."""

    def vehicle_states(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.map_batches(lambda frame: as_then(frame, networks), schema=VehicleState.schema())

    return vehicle_states


def as_then(frame: pl.DataFrame, networks: Networks) -> pl.DataFrame:
    """Positions with the columns of VehicleState, in their order; span by span in which timetables did not change."""
    if frame.is_empty():
        return enriched(frame, networks.timetable)
    left, found = frame.with_row_index("_row"), []
    while left.height:
        then = networks.as_of(left["timestamp"].min())  # type: ignore[arg-type]  # a datetime
        _, until = then.span
        within = pl.lit(value=True) if until is None else pl.col("timestamp") < until
        own, left = left.filter(within), left.filter(~within)
        found.append(enriched(own, then.timetable).with_columns(own["_row"]))
    return pl.concat(found).sort("_row").drop("_row")
