"""What the endpoints and reports of domains may ask: the `Queries` of `wayside.domain` over the live stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from wayside.domain import Table
from wayside.domain.views import BACK, Generator
from wayside.errors import NotFoundError
from wayside.record.times import EPOCH
from wayside.server.past import as_of
from wayside.server.services import Services
from wayside.server.totals import totals_at
from wayside.server.windows import declared, partials, summed
from wayside.specs import ENDLESS, TIME, WindowSpec

Where = Mapping[str, Sequence[Any]] | None


class LiveQueries:
    """Answers of committed data plus the windows still open. Blocking: call it from a worker thread."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def now(self) -> datetime:
        return self._services.clock.now()

    def table(self, name: str, where: Where = None) -> pl.DataFrame:
        return self._services.store.table(name, where=where, limit=self._services.limits.rows)

    def windows(self, name: str, start: datetime, end: datetime, where: Where = None) -> pl.DataFrame:
        spec = self._spec(name)
        return declared(spec, partials(self._services, spec, start, end, where))

    def summary(self, name: str, start: datetime, end: datetime, *, by: Sequence[str], where: Where) -> pl.DataFrame:
        spec = self._spec(name)
        return summed(spec, partials(self._services, spec, start, end, where), by)

    def past(self, at: datetime, *, back: timedelta | None = BACK) -> LiveQueries:
        return PastQueries(self._services, at, back)

    def generator(self, feed: str) -> Generator:
        generators = self._services.generators
        if feed not in generators:
            raise NotFoundError(
                f"The feed {feed!r} has no generator.", why=f"Generators: {', '.join(generators) or 'none'}."
            )
        return generators[feed]

    def _table(self, name: str) -> Table:
        tables = self._services.plan.tables
        if name not in tables:
            raise NotFoundError(f"There is no table {name!r}.", why=f"Tables: {', '.join(tables) or 'none'}.")
        return tables[name]

    def _spec(self, name: str) -> WindowSpec:
        windows = self._services.plan.windows
        if name not in windows:
            raise NotFoundError(f"There is no window {name!r}.", why=f"Windows: {', '.join(windows) or 'none'}.")
        return windows[name].spec


class PastQueries(LiveQueries):
    """The same as of an instant: tables are found again in the log, or in the lake where it has let go of them."""

    def __init__(self, services: Services, at: datetime, back: timedelta | None) -> None:
        super().__init__(services)
        self._at = at
        self._back = back

    def now(self) -> datetime:
        return self._at

    def windows(self, name: str, start: datetime, end: datetime, where: Where = None) -> pl.DataFrame:
        spec = self._spec(name)
        if not spec.endless:
            return super().windows(name, start, end, where)
        rows = totals_at(self._services, self._services.plan.windows[name], self._at, spec.by, where)
        ever = [
            pl.lit(edge, TIME).alias(which)
            for edge, which in ((EPOCH, "window_start"), (EPOCH + ENDLESS, "window_end"))
        ]
        return declared(spec, rows.with_columns(*ever, open=pl.lit(True)))

    def summary(self, name: str, start: datetime, end: datetime, *, by: Sequence[str], where: Where) -> pl.DataFrame:
        spec = self._spec(name)
        if not spec.endless:
            return super().summary(name, start, end, by=by, where=where)
        return summed(spec, totals_at(self._services, self._services.plan.windows[name], self._at, by, where), by)

    def table(self, name: str, where: Where = None) -> pl.DataFrame:
        return as_of(self._services, self._table(name), self._at, self._back, where)
