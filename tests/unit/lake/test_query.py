"""SQL over the tiers: what it reads, what it may not do, and how its answers come out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.unit.hot.samples import TABLE, WINDOW, close_windows, closed, row, second, upsert
from wayside.errors import OverloadedError, WaysideError
from wayside.hot.sqlite import SqliteStore
from wayside.lake.delta import DeltaLake
from wayside.lake.query import Sources, sql


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("query")


@pytest.fixture(scope="module")
def sources(folder: Path) -> Iterator[Sources]:
    lake = DeltaLake(folder / "lake")
    rows = pl.DataFrame({"thing": ["a", "b", "a"], "at": [second(0), second(1), second(2)], "value": [1, 2, 3]})
    lake.append("silver", "readings", rows, app="app", version=1)
    lake.append("bronze", "raw-bytes", rows.select("thing"), app="app", version=1)
    hot = SqliteStore(folder / "hot.db")
    hot.ensure([TABLE], [WINDOW])
    upsert(hot, *(row(f"t{number}", number, number, value=float(number)) for number in range(5)))
    close_windows(hot, closed(0, "a", "b", rows=2, total=3.0), closed(10, "a"), closed(0, "a", rows=4, total=2.0))
    _, recent = hot.windows_after("rollup", -1)
    lake.append("gold", "rollup", recent, app="windows", version=1)
    yield Sources(lake=lake, hot=hot, tables=[TABLE], windows=[WINDOW])
    hot.close()


def answer(query: str, sources: Sources) -> list[tuple[Any, ...]]:
    return sql(query, sources).rows()


class TestReading:
    def test_the_lake(self, sources: Sources) -> None:
        assert answer("SELECT thing, sum(value) FROM silver.readings GROUP BY ALL ORDER BY thing", sources) == [
            ("a", 4),
            ("b", 2),
        ]
        assert answer('SELECT count(*) FROM bronze."raw-bytes"', sources) == [(3,)]
        assert answer('SELECT max("at"), min(_date) FROM silver.readings', sources) == [(second(2), date(2026, 3, 1))]

    def test_the_hot_store(self, sources: Sources) -> None:
        assert answer("SELECT thing, value FROM hot.latest WHERE value > 2 ORDER BY value", sources) == [
            ("t3", 3.0),
            ("t4", 4.0),
        ]
        assert answer("SELECT count(*) FROM hot.latest", sources) == [(5,)]
        assert answer("SELECT part FROM hot.latest LIMIT 1", sources) == [(0,)]

    @pytest.mark.parametrize("view", ["hot.rollup", "gold.rollup"])
    def test_windows_count_once_after_a_recomputation(self, sources: Sources, view: str) -> None:
        query = f"SELECT thing, window_start, rows FROM {view} ORDER BY window_start, thing"
        assert answer(query, sources) == [("a", second(0), 4), ("b", second(0), 2), ("a", second(10), 1)]

    def test_declared_outputs_of_windows(self, sources: Sources) -> None:
        query = "SELECT count, average FROM hot.rollup WHERE thing = 'b'"
        assert answer(query, sources) == [(2, 1.5)]

    def test_joins_across_the_tiers(self, sources: Sources) -> None:
        query = "SELECT count(*) FROM silver.readings r, hot.rollup w WHERE r.thing = w.thing"
        assert answer(query, sources) == [(5,)]

    def test_what_there_is(self, sources: Sources) -> None:
        found = sql("SHOW ALL TABLES", sources)
        views = set(found.select("schema", "name").rows())
        assert views >= {("silver", "readings"), ("hot", "latest"), ("hot", "rollup"), ("gold", "rollup")}
        assert sql("DESCRIBE hot.latest", sources)["column_name"].to_list() == list(TABLE.schema)

    def test_rows_are_limited(self, sources: Sources) -> None:
        assert sql("SELECT * FROM range(1000000)", sources, rows=7).height == 7

    def test_pages_of_a_large_table(self, sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("wayside.lake.query._PAGE_ROWS", 2)
        assert answer("SELECT count(*), sum(value) FROM hot.latest", sources) == [(5, 10.0)]
        assert answer("SELECT count(*) FROM hot.rollup", sources) == [(3,)]
        assert len(answer("SELECT thing FROM hot.latest LIMIT 3", sources)) == 3


class TestTypes:
    @pytest.mark.parametrize(
        ("expression", "value"),
        [
            ("INTERVAL 1 MONTH", "1 month"),
            ("MAP {'a': 1}", "{a=1}"),
            ("union_value(a := 1)", "1"),
            ("{'span': INTERVAL 1 DAY}", "{'span': 1 day}"),
            ("'101'::BIT", "101"),
            ("'a'::ENUM('a')", "a"),
            ("sum(1)", 1),
            ("sum(9223372036854775807::HUGEINT * 2)", 2 * (2**63 - 1)),
            ("'infinity'::TIMESTAMP", None),
            ("'-infinity'::DATE", None),
            ("'2026-03-01 01:00:00+02'::TIMESTAMPTZ", datetime(2026, 2, 28, 23, tzinfo=UTC)),
            ("NULL", None),
            ("[1, 2]", [1, 2]),
        ],
    )
    def test_values(self, expression: str, value: object) -> None:
        (found,) = sql(f"SELECT {expression} AS x", Sources())["x"].to_list()
        assert (int(found) if isinstance(value, int) else found) == value

    def test_columns_of_one_name_are_numbered(self) -> None:
        assert sql('SELECT 1 AS a, 2 AS a, 3 AS a, 4 AS "A_1", 5 AS "we""ird"', Sources()).row(0) == (1, 2, 3, 4, 5)
        assert sql("SELECT 1 AS a, 2 AS a_1, 3 AS a", Sources()).columns == ["a", "a_1", "a_2"]

    def test_instants_are_in_utc(self) -> None:
        frame = sql("SELECT TIMESTAMPTZ '2026-03-01 00:00:00+00' AS t", Sources())
        assert frame.schema["t"] == pl.Datetime("us", "UTC")


class TestSandbox:
    @pytest.mark.parametrize(
        "query",
        [
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT * FROM read_text('/etc/passwd')",
            "SELECT * FROM '/etc/passwd'",
            "SELECT * FROM read_parquet('{lake}/silver/readings/**/*.parquet')",
            "SELECT * FROM glob('/*')",
            "COPY (SELECT 1) TO '{lake}/stolen.csv'",
            "ATTACH '{lake}/new.db'",
            "EXPORT DATABASE '{lake}/out'",
            "INSTALL httpfs",
            "LOAD httpfs",
            "SET enable_external_access = true",
            "SET lock_configuration = false",
            "SET memory_limit = '100GB'",
            "PRAGMA enable_profiling",
            "CREATE TABLE t (x INTEGER)",
            "DROP VIEW silver.readings",
            "INSERT INTO hot.latest VALUES (1)",
            "SELECT 1; SELECT 2",
            "SELECT 1; COPY (SELECT 1) TO '{lake}/stolen.csv'",
            "SELECT getenv('HOME')",
            "SELECT * FROM sources",
            "SELECT * FROM connection",
            "SELECT * FROM duckdb_secrets()",
            "",
            "--",
            "SELEC 1",
            "SELECT * FROM silver.nothing",
            "SELECT 1/*",
            "SELECT 'a'::INTEGER",
            "SELECT 1\0",
        ],
    )
    def test_nothing_but_reading(self, sources: Sources, folder: Path, query: str) -> None:
        before = sorted(folder.rglob("*"))
        with pytest.raises(WaysideError):
            sql(query.replace("{lake}", str(folder / "lake")), sources)
        assert sorted(folder.rglob("*")) == before

    def test_a_trailing_comment_or_semicolon_is_fine(self) -> None:
        assert sql("SELECT 1 AS x; -- done", Sources()).rows() == [(1,)]
        assert sql("-- first\nSELECT 1 AS x -- done", Sources()).rows() == [(1,)]

    def test_time_is_limited(self) -> None:
        with pytest.raises(OverloadedError, match="took too long"):
            sql("SELECT count(*) FROM range(100000000000) a WHERE a.range % 7 = hash(a.range)", Sources(), seconds=0.3)

    def test_memory_is_limited(self) -> None:
        with pytest.raises(OverloadedError, match="memory"):
            sql("SELECT list(range) FROM range(200000000)", Sources(), seconds=60)


def test_the_interpreter_ends_well(tmp_path: Path) -> None:
    """deltalake, DuckDB and pyarrow in one process: some ways of reading abort at exit."""
    script = (
        "from pathlib import Path\nimport polars as pl\n"
        "from wayside.lake.delta import DeltaLake\nfrom wayside.lake.query import Sources, sql\n"
        f"lake = DeltaLake(Path({str(tmp_path)!r}))\n"
        "lake.append('gold', 'x', pl.DataFrame({'a': [1, 2]}), app='a', version=1)\n"
        "assert sql('SELECT sum(a) FROM gold.x', Sources(lake=lake)).item() == 3\n"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
