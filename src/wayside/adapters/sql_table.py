"""A table of a SQL database as a source: its new rows, in the order of an increasing id, each of them once.

A row's record id is made of the feed's name and the row's id, so that what is handed over again, because the process
died before it had noted how far it had come, is recognised by the log.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from wayside.adapters.databases import Database, opened, resolved
from wayside.adapters.entities import encode
from wayside.adapters.handing import admitted
from wayside.adapters.running import Threaded
from wayside.adapters.sources import SqlTable
from wayside.adapters.waiting import Backoff
from wayside.clock import SYSTEM, Clock
from wayside.errors import CorruptDataError, WaysideError
from wayside.files import REAL, FileSystem, read_whole, replace_whole
from wayside.ports import Intake
from wayside.record import Record

FIRST = -(2**63)


@dataclass
class Reached:
    """How far a table was read: the greatest id, and which of the ids shortly before it were there."""

    last: int | None = None
    seen: set[int] = field(default_factory=set)

    def start(self, overlap: int) -> int:
        """The id behind which to ask for rows: somewhat before the last one."""
        return FIRST if self.last is None else max(FIRST, self.last - overlap)

    def take(self, ids: Sequence[int], overlap: int) -> None:
        """These rows are durable."""
        self.last = max(ids if self.last is None else [*ids, self.last])
        floor = self.start(overlap)
        self.seen = {id for id in self.seen.union(ids) if id > floor}


class SqlTableRunner(Threaded):
    """A table that is read, in a thread of its own."""

    def __init__(
        self,
        source: SqlTable,
        wire: type[Record],
        intake: Intake,
        kept: Path | None,
        *,
        clock: Clock = SYSTEM,
        files: FileSystem = REAL,
    ) -> None:  # fmt: skip
        super().__init__()
        self._source = source
        self._wire = wire
        self._intake = intake
        self._kept = kept
        self._clock = clock
        self._files = files
        self._backoff = Backoff(*source.back_off)
        self._chance = random.Random()
        self._reached = Reached()
        self.good_at: datetime | None = None
        """When the table was last read to its end."""

    def start(self) -> None:
        """Begin to read; does nothing while it runs.

        Raises ConfigError for a secret that is not there, MissingExtraError for a library that is not, and
        CorruptDataError when it cannot be read how far it had come.
        """
        if self._thread is not None:
            return
        url = resolved(self._source.url)
        self._reached = self.remembered()
        self._begin(f"sql table {self._intake.feed}", partial(self._run, url))

    def _run(self, url: str) -> None:
        failures = 0
        while not self._stopping.is_set():
            pause = self._source.every
            try:
                with opened(url) as database:
                    self.read(database)
                self._state, self.good_at, failures = "running", self._clock.now(), 0
                self._tally.fine()
            except Exception as error:  # a database may fail in any way: what was read stays, and it is asked again
                failures += 1
                self._state = "stale"
                self._tally.failed(error)
                pause = self._backoff.seconds(failures, self._chance)
            self._stopping.wait(pause)

    def read(self, database: Database) -> None:
        """Hand over all rows that are new, and note after each piece how far that is."""
        columns = database.columns(self._source.table)
        self._check(columns)
        self._check_end(database)
        at = self._reached.start(self._source.overlap)
        while not self._stopping.is_set():
            rows = database.after(self._source.table, self._source.id, at, self._source.batch)
            if not rows:
                return
            place = columns.index(self._source.id)
            ids = [whole(row[place], self._source) for row in rows]
            new = [(id, row) for id, row in zip(ids, rows, strict=True) if id not in self._reached.seen]
            if new and self._hand_over([self.message(columns, row) for _, row in new], [id for id, _ in new]):
                self._reached.take([id for id, _ in new], self._source.overlap)
                self.remember()
            at = ids[-1]
            if len(rows) < self._source.batch:
                return

    def message(self, columns: Sequence[str], row: Sequence[Any]) -> bytes:
        """A row as a message of the wire record; columns that this does not have are left out."""
        names = [self._source.columns.get(name, name) for name in columns]
        given = {**self._source.constants, **dict(zip(names, row, strict=True))}
        return encode({name: fitting(given.get(name), spec.kind) for name, spec in self._wire.fields.items()})

    def _hand_over(self, lines: list[bytes], ids: list[int]) -> bool:
        """Wait until they are durable; false when it was stopped before they could be handed over."""
        names = [f"{self._intake.feed}/{id}" for id in ids]
        future = admitted(lambda: self._intake.submit(lines, ids=names), self._stopping)
        if future is None:
            return False
        self._tally.handed(len(lines), future)
        future.result()
        return True

    def _check(self, columns: Sequence[str]) -> None:
        """The table has what the record needs. Raises WaysideError."""
        names = {*(self._source.columns.get(name, name) for name in columns), *self._source.constants}
        needed = [name for name, spec in self._wire.fields.items() if not spec.optional and name not in names]
        if self._source.id not in columns:
            needed = [self._source.id]
        if needed:
            raise WaysideError(
                f"The table {self._source.table!r} has no column {', '.join(map(repr, needed))}.",
                why=f"Its columns: {', '.join(columns)}.",
                next="Name the column in columns= or id=, or give constants=.",
            )

    def _check_end(self, database: Database) -> None:
        """The table has not begun anew. Raises WaysideError, for else nothing would come for long, and nobody knew."""
        last = self._reached.last
        greatest = database.greatest(self._source.table, self._source.id)
        if last is not None and greatest is not None and whole(greatest, self._source) < last - self._source.overlap:
            raise WaysideError(
                f"The ids of the table {self._source.table!r} end at {greatest}, and {last} was read before.",
                why="The table was made anew, or this is another one.",
                next=f"To read it from the start, stop Wayside and remove {self._kept}.",
            )

    # -- how far it has come ---------------------------------------------------------------------------------------

    def remembered(self) -> Reached:
        """What an earlier run had reached. Raises CorruptDataError."""
        content = read_whole(self._files, self._kept) if self._kept is not None else None
        if content is None:
            return Reached()
        try:
            found = json.loads(content)
            return Reached(int(found["last"]), {int(id) for id in found["seen"]})
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptDataError(
                "It cannot be read how far a table was read.",
                where=str(self._kept),
                why=str(error),
                next="Remove the file: the table is read from its start, and rows known already are left out.",
            ) from error

    def remember(self) -> None:
        """Note how far it has come, durably."""
        if self._kept is None:
            return
        self._files.make_folder(self._kept.parent)
        said = {"table": self._source.table, "last": self._reached.last, "seen": sorted(self._reached.seen)}
        replace_whole(self._files, self._kept, json.dumps(said).encode())


def whole(value: Any, source: SqlTable) -> int:
    """A row's id. Raises WaysideError for what is no integer."""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise WaysideError(
        f"The column {source.id!r} of the table {source.table!r} holds {str(value)[:40]!r}, which is no integer.",
        next="Choose a column of increasing integers as id=.",
    )


CONVERTED: Mapping[str, type] = {"float": float, "int": int}


def fitting(value: Any, kind: str) -> Any:
    """A database's value as JSON carries it for a field of this kind; what does not fit is left for the rules."""
    if kind == "bool" and isinstance(value, int) and value in (0, 1):
        return bool(value)  # SQLite has no truth values
    if isinstance(value, Decimal):
        return CONVERTED[kind](value) if kind in CONVERTED and value == value else str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else value
