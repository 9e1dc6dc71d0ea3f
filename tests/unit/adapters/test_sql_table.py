"""A table of a SQL database as a source: each row once, over any number of restarts, and errors that say what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.unit.adapters.strangers import Kept, until
from tests.unit.adapters.world import Level, Log, plain
from wayside.adapters import SqlTable
from wayside.adapters.intake import FeedIntake
from wayside.adapters.runners import runner_of
from wayside.adapters.sql_table import Reached, SqlTableRunner
from wayside.domain import Topic
from wayside.errors import ConfigError, CorruptDataError, DeclarationError
from wayside.record import Record

MAPPED = {"taken_at": "at", "metres": "level"}


class Switch(Record, key="name"):
    """What SQLite has no types for."""

    name: str
    on: bool
    size: float | None
    made: str | None


class Database:
    """A SQLite file with a table of levels."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "levels.db"
        self.connection = apsw.Connection(str(self.path))
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute(
            "CREATE TABLE levels (number INTEGER PRIMARY KEY, gauge TEXT, taken_at REAL, metres REAL)"
        )

    def add(self, *numbers: int, gauge: str = "g", metres: float = 1.0) -> None:
        rows = [(number, gauge, 1_772_366_400.0 + number, metres) for number in numbers]
        self.connection.executemany("INSERT INTO levels VALUES (?, ?, ?, ?)", rows)

    def source(self, **more: Any) -> SqlTable:
        given: dict[str, Any] = {"columns": MAPPED, "every": 0.02, "back_off": (0.01, 0.02), "id": "number", **more}
        return SqlTable(f"sqlite:///{self.path}", "levels", **given)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path)


@contextmanager
def reading(source: SqlTable, intake: Any, kept: Path | None, wire: type[Record] = Level) -> Iterator[SqlTableRunner]:
    runner = SqlTableRunner(source, wire, intake, kept)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()


def gauges(kept: Kept) -> list[float]:
    return [json.loads(line)["at"] - 1_772_366_400 for line in kept.lines]


def test_new_rows_come_in_pieces_and_each_of_them_once(database: Database, tmp_path: Path) -> None:
    database.add(*range(1, 26))
    kept = Kept()
    with reading(database.source(batch=10), kept, tmp_path / "feeds" / "levels.json") as runner:
        until(lambda: len(kept.lines) == 25)
        database.add(26, 30)
        until(lambda: len(kept.lines) == 27)
        good = runner.good_at
        until(lambda: runner.good_at != good)
        assert runner.status().state == "running"
    assert gauges(kept) == [*range(1, 27), 30]
    assert kept.ids[:2] == ["kept/1", "kept/2"]
    assert json.loads(kept.lines[0]) == {"gauge": "g", "at": 1_772_366_401.0, "level": 1.0}


def test_what_was_read_stays_read_over_restarts(database: Database, tmp_path: Path) -> None:
    database.add(1, 2, 3)
    kept, place = Kept(), tmp_path / "feeds" / "levels.json"
    for expected in (3, 5, 5):
        with reading(database.source(), kept, place) as runner:
            until(lambda wanted=expected, runner=runner: len(kept.lines) == wanted and runner.good_at)
        if len(kept.lines) == 3:
            database.add(4, 5)
    assert gauges(kept) == [1, 2, 3, 4, 5]


def test_a_row_that_becomes_visible_late_is_found(database: Database, tmp_path: Path) -> None:
    """Its transaction began before that of a row with a greater id, and ended after it."""
    database.add(1, 2, 5)
    kept = Kept()
    with reading(database.source(), kept, tmp_path / "levels.json"):
        until(lambda: len(kept.lines) == 3)
        database.add(3)
        until(lambda: len(kept.lines) == 4)
    with reading(database.source(), kept, tmp_path / "levels.json"):
        database.add(4)
        until(lambda: len(kept.lines) == 5)
    assert gauges(kept) == [1, 2, 5, 3, 4]


def test_rows_that_are_handed_over_again_are_known(database: Database, tmp_path: Path) -> None:
    """The process died between writing the rows and noting them: the log knows them by their ids."""
    database.add(*range(1, 6))
    log = Log()
    for _ in range(2):  # the second one begins without a note
        intake = FeedIntake(plain, log)
        with reading(database.source(), intake, None) as runner:
            until(lambda runner=runner: runner.good_at)
            status = runner.status()
        intake.close()
    assert (status.accepted, status.duplicates) == (0, 5)
    assert log.rows().height == 5


def test_rows_that_break_a_rule_are_in_quarantine_and_the_others_go_on(database: Database, tmp_path: Path) -> None:
    database.add(1)
    database.add(2, metres=500.0)
    database.add(3)
    log = Log()
    intake = FeedIntake(plain, log)
    with reading(database.source(), intake, tmp_path / "levels.json") as runner:
        until(lambda: runner.status().accepted == 2)
        assert runner.status().rejected == 1
    intake.close()
    assert log.refused()["rule"].to_list() == ["level.range"]


def test_a_log_that_is_down_loses_nothing(database: Database, tmp_path: Path) -> None:
    database.add(1, 2, 3)
    kept = Kept(broken=3)
    with reading(database.source(), kept, tmp_path / "levels.json") as runner:
        until(lambda: len(kept.lines) == 3)
        until(lambda: runner.status().state == "running" and not runner.status().last_error)
    assert gauges(kept) == [1, 2, 3]


def test_values_arrive_as_the_record_wants_them(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "s.db"))
    connection.execute('CREATE TABLE switches (id INTEGER PRIMARY KEY, name TEXT, "on" INTEGER, size REAL, junk BLOB)')
    connection.execute("INSERT INTO switches VALUES (7, 'a', 1, NULL, x'00ff'), (8, 'b', 0, 2.5, NULL)")
    kept = Kept()
    source = SqlTable(f"sqlite:///{tmp_path / 's.db'}", "switches", constants={"made": "here"}, every=0.02)
    with reading(source, kept, None, Switch):
        until(lambda: len(kept.lines) == 2)
    assert [json.loads(line) for line in kept.lines] == [
        {"name": "a", "on": True, "size": None, "made": "here"},
        {"name": "b", "on": False, "size": 2.5, "made": "here"},
    ]


def test_errors_say_what_there_is_and_the_reading_goes_on_when_they_are_mended(tmp_path: Path) -> None:
    path, kept = tmp_path / "later.db", Kept()
    source = SqlTable(f"sqlite:///{path}", "levels", columns=MAPPED, id="number", every=0.02, back_off=(0.01, 0.02))
    with reading(source, kept, tmp_path / "levels.json") as runner:

        def said(text: str) -> bool:
            return runner.status().state == "stale" and text in runner.status().last_error

        until(lambda: said("There is no such SQLite file."))
        connection = apsw.Connection(str(path))
        connection.execute("CREATE TABLE others (number INTEGER)")
        until(lambda: said("There is no table 'levels' in the database. Why: Tables that can be read: others."))
        connection.execute("CREATE TABLE levels (number TEXT, gauge TEXT, metres REAL)")
        until(lambda: said("has no column 'at'. Why: Its columns: number, gauge, metres."))
        connection.execute("ALTER TABLE levels ADD COLUMN taken_at REAL")
        connection.execute("INSERT INTO levels VALUES ('seven', 'g', 1.0, 1772366400.0)")
        until(lambda: said("holds 'seven', which is no integer."))
        connection.execute("DROP TABLE levels")
        connection.execute("CREATE TABLE levels (number INTEGER, gauge TEXT, metres REAL, taken_at REAL)")
        connection.execute("INSERT INTO levels VALUES (5000, 'g', 1.0, 1772366401.0)")
        until(lambda: len(kept.lines) == 1 and runner.status().state == "running")
        connection.execute("DELETE FROM levels")
        connection.execute("INSERT INTO levels VALUES (1, 'g', 1.0, 1772366402.0)")
        until(lambda: said("end at 1, and 5000 was read before."))
    assert gauges(kept) == [1]


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("this is a text, and a long one, that nobody can take for a database" * 20)
    source = SqlTable(f"sqlite:///{tmp_path / 'no.db'}", "levels", every=0.02, back_off=(0.01, 0.02))
    with reading(source, Kept(), None) as runner:
        until(lambda: "cannot be read" in runner.status().last_error)


def test_a_note_that_is_damaged_is_not_guessed(database: Database, tmp_path: Path) -> None:
    (tmp_path / "levels.json").write_text('{"last": ')
    with pytest.raises(CorruptDataError, match="how far"):
        SqlTableRunner(database.source(), Level, Kept(), tmp_path / "levels.json").start()  # type: ignore[arg-type]  # enough of an intake


def test_declarations_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in (
        {"url": "mysql://host/name"},
        {"table": 'levels"; DROP TABLE levels; --'},
        {"id": "a b"},
        {"every": 0},
        {"batch": 0},
        {"overlap": -1},
    ):
        with pytest.raises(DeclarationError):
            SqlTable(**{"url": "sqlite:///levels.db", "table": "levels", **wrong})
    monkeypatch.delenv("NOBODY_SETS_THIS", raising=False)
    source = SqlTable("postgresql://reader:${env:NOBODY_SETS_THIS}@127.0.0.1/levels", "levels")
    feed = Topic("more_levels", Level).feed("more", source)
    runner = runner_of(feed, Kept())  # type: ignore[arg-type]  # enough of an intake
    assert runner is not None
    with pytest.raises(ConfigError, match="NOBODY_SETS_THIS is not set"):
        runner.start()


def test_ids_below_the_overlap_are_forgotten() -> None:
    reached = Reached()
    for id in range(1, 5_000):
        reached.take([id], 100)
    assert (reached.last, len(reached.seen), reached.start(100)) == (4_999, 100, 4_899)
