"""Networks and vehicles as a question is about them: now, or as of an instant of the past, by the timetable of then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from wayside.domain import Queries
from wayside_domains.transit.matching import enriched
from wayside_domains.transit.networks import Networks


def networks_of(networks: Networks, queries: Queries, given: Mapping[str, str]) -> Networks:
    """The networks with the timetables of the instant that a question is about, as `dated` hands it on."""
    return networks.as_of(queries.now() if given.get("at") else None)


def vehicles_of(
    queries: Queries, table: str, networks: Networks, where: Mapping[str, Sequence[Any]] | None = None
) -> pl.DataFrame:
    """States of vehicles. Those of the past are made again from positions, which knows only the timetable of today:

    where that of then is another one, they are compared with that once more.
    """
    rows = queries.table(table, where)
    return enriched(rows, networks.timetable) if networks.changed and rows.height else rows
