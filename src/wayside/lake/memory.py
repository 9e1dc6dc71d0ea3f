"""The lake in memory, for tests."""

from __future__ import annotations

import threading
from datetime import timedelta

import polars as pl

from wayside.clock import SYSTEM, Clock
from wayside.errors import NotFoundError
from wayside.lake.shape import DATE, check_name, check_types, shaped
from wayside.specs import TIME
from wayside.values import Tier

_STORED = "_stored"


class MemoryLake:
    """Tables whose content is gone with the process; the same rules as on disk."""

    def __init__(self, *, clock: Clock = SYSTEM) -> None:
        self._clock = clock
        self._tables: dict[tuple[Tier, str], pl.DataFrame] = {}
        self._applied: dict[tuple[Tier, str, str], int] = {}
        self._lock = threading.RLock()

    def append(self, tier: Tier, name: str, rows: pl.DataFrame, *, app: str, version: int, time: str = "") -> None:
        check_name(tier, name)
        with self._lock:
            if version <= self.version(tier, name, app):
                return
            fresh = shaped(rows, time=time).with_columns(pl.lit(self._clock.now(), TIME).alias(_STORED))
            known = self._tables.get((tier, name))
            if known is not None:
                check_types(f"{tier}.{name}", known.schema, fresh.schema)
                fresh = pl.concat([known, fresh], how="diagonal")
            self._tables[tier, name] = fresh
            self._applied[tier, name, app] = version

    def version(self, tier: Tier, name: str, app: str) -> int:
        return self._applied.get((tier, name, app), -1)

    def scan(self, tier: Tier, name: str) -> pl.LazyFrame:
        if (tier, name) not in self._tables:
            raise NotFoundError(f"The lake has no table {tier}.{name}.")
        return self._tables[tier, name].lazy().drop(_STORED)

    def tables(self) -> list[tuple[Tier, str]]:
        return sorted(self._tables)

    def maintain(self, *, keep: timedelta) -> None:
        with self._lock:
            limit = self._clock.now() - keep
            for name, rows in self._tables.items():
                dates = rows.group_by(DATE).agg(pl.col(_STORED).max())
                old = dates.filter(pl.col(_STORED) < limit, pl.col(DATE).is_null() | (pl.col(DATE) < limit.date()))
                self._tables[name] = rows.join(old, on=DATE, how="anti", nulls_equal=True)
