"""What only the store in PostgreSQL has: exact values, a server that goes away, and other processes."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl
import psycopg
import pytest
from polars.testing import assert_frame_equal

from tests.unit.hot.samples import TABLE, WINDOW, close_windows, closed, late_rows, row, save, second, upsert
from wayside.clock import SYSTEM
from wayside.errors import (
    ConfigError,
    DeclarationError,
    OverloadedError,
    StorageFailedError,
    UnavailableError,
    WaysideError,
)
from wayside.hot.postgres import migrations
from wayside.hot.postgres.replacing import set_aside
from wayside.hot.postgres.store import PostgresStore
from wayside.specs import TIME, TableSpec
from wayside.values import Checkpoint

if TYPE_CHECKING:
    from cluster.postgres import Postgres

pytestmark = pytest.mark.servers
T = TypeVar("T")
SCHEMA = 'Store of "tests"'


@pytest.fixture
def store(postgres: Postgres) -> Iterator[PostgresStore]:
    with psycopg.connect(postgres.dsn) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {quoted(SCHEMA)} CASCADE")
    opened = PostgresStore(postgres.dsn, schema=SCHEMA)
    opened.ensure([TABLE], [WINDOW])
    yield opened
    opened.close()


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def ask(postgres: Postgres, query: str) -> list[tuple[Any, ...]]:
    """What somebody with a client of SQL sees."""
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute(f"SET search_path = {quoted(SCHEMA)}")
        found = connection.execute(query)
        return found.fetchall() if found.description else []


class TestValues:
    def test_floats_of_any_bits_come_back(self, store: PostgresStore) -> None:
        chance = random.Random(11)
        bits = [chance.getrandbits(64) for _ in range(5_000)]
        doubles = [struct.unpack("<d", struct.pack("<Q", one))[0] for one in bits]
        doubles += [0.0, -0.0, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf")]
        frame = closed(0, *(f"t{number:05}" for number in range(len(doubles)))).with_columns(
            value__sum=pl.Series(doubles)
        )
        close_windows(store, frame)
        found = store.windows("rollup", second(0), second(10))["value__sum"]
        assert [struct.pack("<d", one) for one in found if one == one] == [
            struct.pack("<d", one) for one in doubles if one == one
        ]
        assert found.is_nan().sum() == frame["value__sum"].is_nan().sum()

    def test_instants_to_the_microsecond(self, store: PostgresStore) -> None:
        chance = random.Random(12)
        moments = [chance.randrange(-62_135_596_800_000_000, 253_402_300_799_999_999) for _ in range(5_000)]
        moments += [-62_135_596_800_000_000, -1, 0, 1, 253_402_300_799_999_999]
        starts = pl.Series(sorted(set(moments)), dtype=pl.Int64).cast(TIME)
        frame = pl.DataFrame({"window_start": starts, "window_end": starts}).with_columns(
            thing=pl.lit("a"),
            part=pl.lit(0, pl.Int64),
            rows=pl.lit(1, pl.Int64),
            value__sum=1.0,
            value__n=pl.lit(1, pl.Int64),
        )
        close_windows(store, frame)
        _, found = store.windows_after("rollup", -1)
        assert_frame_equal(found.drop("_seq").sort("window_start"), frame)

    def test_any_text_comes_back_and_is_found(self, store: PostgresStore) -> None:
        chance = random.Random(13)
        alphabet = "\0\1\2\3\\\t\n\r\b\f\v\"',.NntrbfvxX0é€\u2028\ufeff\U0001f600 "
        texts = ["".join(chance.choice(alphabet) for _ in range(chance.randrange(12))) for _ in range(2_000)]
        texts += ["\\.", "\\N", "", "NULL", "\0", "\1", "\1\1", "\1\2", "\1\3", "\1\4", "\0\4", "\\\\n"]
        upsert(store, *(row("t", 1, number, part=number, note=text) for number, text in enumerate(texts)))
        assert store.table("latest", limit=10_000)["note"].to_list() == texts
        for text in ("\0", "a\0b", "\\N", "\1", ""):
            found = store.table("latest", where={"note": [text]}, limit=10_000)["part"].to_list()
            assert found == [number for number, one in enumerate(texts) if one == text]

    def test_keys_are_ordered_by_code_point(self, store: PostgresStore) -> None:
        names = ["", "\0", "\0\1", "\1", "\1\0", "a", "A", "B", "b", "ä", "z", "\U0001f600", "\uffff", " a", "_"]
        upsert(store, *(row(name, 1, number) for number, name in enumerate(names)))
        assert store.table("latest")["thing"].to_list() == sorted(names)
        page = store.table("latest", limit=4, after=("\0\1", 0))["thing"].to_list()
        assert page == sorted(names)[3:7]

    def test_a_name_that_would_be_cut_short_is_refused(self, store: PostgresStore) -> None:
        wide = TableSpec("long", pl.Schema({"k": pl.String, "at": TIME, "x" * 64: pl.Int64}), ("k",), "at")
        with pytest.raises(DeclarationError, match="too long"):
            store.ensure([wide], [])

    def test_an_instant_that_cannot_be_held_is_told(self, store: PostgresStore) -> None:
        far = closed(0, "a").with_columns(window_end=pl.lit(2**62, pl.Int64).cast(TIME))
        with pytest.raises(WaysideError, match="cannot hold"):
            close_windows(store, far)
        assert store.windows("rollup", second(0), second(10)).is_empty()


class TestTheSchema:
    def test_people_can_ask_with_sql(self, store: PostgresStore, postgres: Postgres) -> None:
        upsert(store, row("a", 1, 7, value=2.5, note="x"), row("b", 1, 8, deleted=True))
        close_windows(store, closed(0, "a", "b", rows=4, total=10.0))
        with store.transaction() as change:
            change.append_late("rollup", late_rows(5))
        assert ask(postgres, "SELECT thing, at, value, note FROM latest WHERE NOT _deleted") == [
            ("a", second(1), 2.5, "x")
        ]
        averages = "SELECT thing, window_start, value__sum / value__n FROM rollup ORDER BY thing"
        assert ask(postgres, averages) == [("a", second(0), 2.5), ("b", second(0), 2.5)]
        assert ask(postgres, "SELECT _topic, _partition, _offset FROM rollup__late") == [("input", 0, 5)]
        kinds = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'rollup' "
        assert ask(postgres, kinds + f"AND table_schema = '{SCHEMA}' ORDER BY ordinal_position") == [
            ("window_start", "timestamp with time zone"), ("window_end", "timestamp with time zone"),
            ("thing", "text"), ("part", "bigint"), ("rows", "bigint"), ("value__sum", "double precision"),
            ("value__n", "bigint"), ("_seq", "bigint"), ("_stored", "timestamp with time zone"),
        ]  # fmt: skip

    def test_questions_of_the_api_use_an_index(self, store: PostgresStore, postgres: Postgres) -> None:
        names = [f"t{number:04}" for number in range(2_000)]
        close_windows(store, *(closed(10 * number, *names) for number in range(20)))
        ask(postgres, "ANALYZE rollup")
        for condition in ("thing = ANY('{t0003}') AND window_start >= '2026-03-01'",
                          "window_start >= '2026-03-01 00:03:00+00' AND window_start < '2026-03-01 00:03:05+00'",
                          "_seq > (SELECT max(_seq) - 1 FROM rollup)"):  # fmt: skip
            plan = "\n".join(line for (line,) in ask(postgres, f"EXPLAIN SELECT * FROM rollup WHERE {condition}"))
            assert "Seq Scan" not in plan, plan

    def test_everything_is_there_after_opening_again(self, store: PostgresStore, postgres: Postgres) -> None:
        upsert(store, row("a", 1, 1))
        close_windows(store, closed(0, "a"))
        save(store, Checkpoint({("t", 0): 1}, 1, {"w": 1.5}, {"s": b"\0x"}, {("t", 0): 1}))
        store.close()
        again = PostgresStore(postgres.dsn, schema=SCHEMA)
        again.ensure([TABLE], [WINDOW])
        assert again.count("latest") == again.windows("rollup", second(0), second(10)).height == 1
        assert again.checkpoint("engine") == Checkpoint({("t", 0): 1}, 1, {"w": 1.5}, {"s": b"\0x"}, {("t", 0): 1})
        again.close()

    def test_a_newer_layout_is_refused(self, store: PostgresStore, postgres: Postgres) -> None:
        ask(postgres, f"UPDATE _version SET version = {len(migrations.STEPS) + 1}")
        with pytest.raises(StorageFailedError, match="newer Wayside"):
            PostgresStore(postgres.dsn, schema=SCHEMA)

    def test_many_processes_may_prepare_at_once(self, store: PostgresStore, postgres: Postgres) -> None:
        wrong: list[BaseException] = []

        def prepare() -> None:
            try:
                one = PostgresStore(postgres.dsn, schema="at_once")
                one.ensure([TABLE], [WINDOW])
                one.close()
            except BaseException as error:
                wrong.append(error)

        ask(postgres, "DROP SCHEMA IF EXISTS at_once CASCADE")
        threads = [threading.Thread(target=prepare) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong

    def test_late_columns_may_come_and_change_of_type_is_refused(self, store: PostgresStore) -> None:
        wide = replace(WINDOW, input=pl.Schema({**WINDOW.input, "more": pl.String()}))
        store.ensure([], [wide])
        with store.transaction() as change:
            change.append_late("rollup", late_rows(1).with_columns(more=pl.lit("x")))
        assert store.late("rollup")["more"].to_list() == ["x"]
        with pytest.raises(DeclarationError, match="wayside rebuild"):
            store.ensure([], [replace(WINDOW, input=pl.Schema({**WINDOW.input, "more": pl.Int64()}))])

    def test_setting_aside_keeps_everything(self, store: PostgresStore, postgres: Postgres) -> None:
        upsert(store, row("a", 1, 1))
        with pytest.raises(UnavailableError, match="Another engine"):
            set_aside(postgres.dsn, schema=SCHEMA)
        store.close()
        kept = eventually(lambda: set_aside(postgres.dsn, schema=SCHEMA))
        assert kept is not None
        assert ask(postgres, f"SELECT count(*) FROM {quoted(kept)}.latest") == [(1,)]
        assert set_aside(postgres.dsn, schema=SCHEMA) is None
        ask(postgres, f"DROP SCHEMA {quoted(kept)} CASCADE")


class TestOneWriter:
    def test_a_second_engine_waits_for_the_first(self, store: PostgresStore, postgres: Postgres) -> None:
        upsert(store, row("a", 1, 1))
        second_store = PostgresStore(postgres.dsn, schema=SCHEMA)
        second_store.ensure([TABLE], [WINDOW])
        assert second_store.count("latest") == 1
        with pytest.raises(UnavailableError, match="Another engine"):
            upsert(second_store, row("b", 1, 1))
        store.close()
        eventually(lambda: upsert(second_store, row("b", 1, 1)))
        second_store.close()

    def test_an_engine_that_was_overtaken_commits_nothing(self, store: PostgresStore) -> None:
        save(store, Checkpoint({("t", 0): 5}, 5))
        with pytest.raises(UnavailableError, match="Another engine"), store.transaction() as change:  # noqa: PT012 - the block is what is tested
            change.upsert("latest", pl.DataFrame([row("a", 1, 1)], schema=SAMPLE))
            change.save("engine", Checkpoint({("t", 0): 4}, 5))
        assert store.count("latest") == 0
        assert store.checkpoint("engine") == Checkpoint({("t", 0): 5}, 5)

    def test_another_process_sees_what_is_committed(self, store: PostgresStore, postgres: Postgres) -> None:
        upsert(store, row("a", 1, 1))
        with store.transaction() as change:
            change.upsert("latest", pl.DataFrame([row("b", 1, 1)], schema=SAMPLE))
            done = subprocess.run(
                [sys.executable, "-c", READER.format(dsn=postgres.dsn, schema=SCHEMA)],
                capture_output=True, text=True, check=True, timeout=60,
            )  # fmt: skip
        assert done.stdout.strip() == "1"


SAMPLE = {**TABLE.schema, "_offset": pl.Int64, "_deleted": pl.Boolean}
READER = """
from tests.unit.hot.samples import TABLE, WINDOW
from wayside.hot.postgres.store import PostgresStore
store = PostgresStore({dsn!r}, schema={schema!r})
store.ensure([TABLE], [WINDOW])
print(store.count("latest"))
"""


class TestAway:
    """A server of its own, because it is stopped."""

    @pytest.fixture
    def own(self) -> Iterator[Postgres]:
        from cluster.postgres import Postgres, missing

        if (reason := missing()) is not None:
            pytest.skip(reason)
        server = Postgres.create()
        yield server
        server.remove()

    def test_it_says_so_and_comes_back(self, own: Postgres) -> None:
        store = PostgresStore(own.dsn)
        store.ensure([TABLE], [WINDOW])
        upsert(store, row("a", 1, 1))
        assert store.count("latest") == 1
        own.stop()
        for _ in range(3):
            with pytest.raises(UnavailableError, match="does not answer"):
                store.count("latest")
            with pytest.raises(UnavailableError, match="does not answer"):
                upsert(store, row("b", 1, 1))
        own.start()
        eventually(lambda: upsert(store, row("b", 1, 1)))
        assert store.count("latest") == 2
        store.close()

    def test_in_the_middle_of_a_transaction(self, own: Postgres) -> None:
        store = PostgresStore(own.dsn)
        store.ensure([TABLE], [WINDOW])
        with pytest.raises(UnavailableError), store.transaction() as change:  # noqa: PT012 - the block is what is tested
            change.upsert("latest", pl.DataFrame([row("a", 1, 1)], schema=SAMPLE))
            own.stop()
            change.upsert("latest", pl.DataFrame([row("b", 1, 1)], schema=SAMPLE))
        own.start()
        eventually(lambda: upsert(store, row("c", 1, 1)))
        assert store.table("latest")["thing"].to_list() == ["c"]
        store.close()

    def test_opening_waits_as_long_as_it_is_told(self, own: Postgres) -> None:
        own.stop()
        with pytest.raises(UnavailableError):
            PostgresStore(own.dsn)
        starting = threading.Timer(0.5, own.start)
        starting.start()
        PostgresStore(own.dsn, patience=60).close()
        starting.join()


def eventually(work: Callable[[], T]) -> T:
    """Do it, again and again while the store says that it is away; the server notices a closed connection later."""
    until = SYSTEM.monotonic() + 30
    while True:
        try:
            return work()
        except UnavailableError:
            assert SYSTEM.monotonic() < until
            SYSTEM.sleep(0.1)


def test_a_question_that_takes_too_long_is_stopped(store: PostgresStore, postgres: Postgres) -> None:
    hasty = PostgresStore(postgres.dsn, schema=SCHEMA, timeout=0.2)
    with pytest.raises(OverloadedError, match="too long"), hasty._readers.snapshot() as cursor:
        cursor.execute("SELECT pg_sleep(60)")
    hasty.ensure([TABLE], [WINDOW])
    assert hasty.count("latest") == 0
    hasty.close()


def test_a_dsn_that_is_none_is_told_without_its_text() -> None:
    with pytest.raises(ConfigError) as caught:
        PostgresStore("postgresql://me:secret@[broken/db")
    assert "secret" not in str(caught.value)


def test_the_error_of_a_wrong_password_does_not_show_it() -> None:
    with pytest.raises(UnavailableError) as caught:
        PostgresStore("postgresql://me:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)


def test_tombstones_expire(store: PostgresStore) -> None:
    upsert(store, row("a", 1, 1, deleted=True))
    store.expire(second(10) + timedelta(days=1))
    upsert(store, row("a", 0, 1))
    assert store.count("latest") == 1
