"""T-C4: each kind of file flipped, cut, overwritten or gone, in a folder that was in order.

The damage is named in the log, in a metric and in the status; what lies around it is served; what is damaged is put
aside and never deleted; what follows from the log is computed again. There is no silent empty start and no crash loop.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import apsw
import polars as pl
import pytest

from tests.faults.checks import check_lake, check_results, eventually, log_rows, readable_rows
from tests.faults.process import Wayside, running
from tests.faults.test_disk_full import Offered
from wayside.hot.connection import default_vfs

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]
TOPIC = "log/topics/processed_messages"
OFTEN = {"lake_every": "300ms", "maintain_every": "500ms"}
SMALL = {"segment_bytes": 8 << 10, "wal_pages": 20}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def noise(path: Path) -> None:
    path.write_bytes(random.Random(path.name).randbytes(path.stat().st_size))


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + random.Random(path.name).randbytes(1_000))


def remove(path: Path) -> None:
    path.unlink()


def spoil_state(path: Path) -> None:
    """Change one byte of each saved operator state inside of a sound database."""
    with closing(apsw.Connection(str(path), vfs=default_vfs())) as connection:
        stored = connection.execute("SELECT id, body FROM states WHERE name != ''").fetchall()
        assert stored
        for number, body in stored:
            spoiled = body[:-1] + bytes([body[-1] ^ 1])
            connection.execute("UPDATE states SET body = ? WHERE id = ?", (spoiled, number))


@dataclass(frozen=True)
class Case:
    """What is done to which file (the last of those that match), and what must follow.

    `lost`: records of the log cannot be served any more. `told`: a word of the status' problem; without it the file
    is only a help that is made anew. `aside`: what the damaged file becomes.
    """

    pattern: str
    damage: Callable[[Path], None]
    lost: bool = False
    told: str = ""
    aside: str = ""
    number: int = -1


QUARANTINED = "log/quarantine/*"
CORRUPT = "hot/*.corrupt.*"
REBUILT = "computed again"
LOG_CASES = {
    "a closed segment flipped": Case(f"{TOPIC}/0/*.log", flip, lost=True, told="damaged", aside=QUARANTINED, number=0),
    "a closed segment cut": Case(f"{TOPIC}/0/*.log", cut, lost=True, told="damaged", aside=QUARANTINED, number=0),
    "a closed segment overwritten": Case(f"{TOPIC}/0/*.log", noise, True, "damaged", QUARANTINED, number=0),
    "a segment gone": Case(f"{TOPIC}/0/*.log", remove, lost=True, told="missing", number=1),
    "the newest segment cut": Case(f"{TOPIC}/0/*.log", cut, lost=True, told="damaged"),
    "the newest segment gone": Case(f"{TOPIC}/0/*.log", remove, lost=True, told="missing"),
    "a torn tail": Case(f"{TOPIC}/0/*.log", grow),
    "an index overwritten": Case(f"{TOPIC}/0/*.idx", noise),
    "an index gone": Case(f"{TOPIC}/0/*.idx", remove),
    "the mark overwritten": Case(f"{TOPIC}/0/mark", noise),
    "the mark gone": Case(f"{TOPIC}/0/mark", remove),
    "the spec overwritten": Case(f"{TOPIC}/topic.json", noise, told="spec"),
    "the spec gone": Case(f"{TOPIC}/topic.json", remove, told="spec"),
    "a schema overwritten": Case(f"{TOPIC}/schemas/*.arrow", noise),
    "a schema gone": Case(f"{TOPIC}/schemas/*.arrow", remove),
}
HOT_CASES = {
    "the store flipped": Case("hot/hot.sqlite", flip, told=REBUILT, aside=CORRUPT),
    "the store cut": Case("hot/hot.sqlite", cut, told=REBUILT, aside=CORRUPT),
    "the store overwritten": Case("hot/hot.sqlite", noise, told=REBUILT, aside=CORRUPT),
    "the store gone": Case("hot/hot.sqlite", remove, told=REBUILT, aside=CORRUPT),
    "its log flipped": Case("hot/hot.sqlite-wal", flip),
    "its log overwritten": Case("hot/hot.sqlite-wal", noise),
    "its log gone": Case("hot/hot.sqlite-wal", remove),
    "its shared memory overwritten": Case("hot/hot.sqlite-shm", noise),
    "the operators' state spoiled": Case("hot/hot.sqlite", spoil_state, told="checksum"),
}
ALWAYS = {
    "a closed segment flipped",
    "the newest segment cut",
    "the store flipped",
    "its log flipped",
}
"""The cases that CI runs at each change; the slow tier runs all."""
CASES = [
    pytest.param(case, id=name, marks=[] if name in ALWAYS else [pytest.mark.slow])
    for name, case in {**LOG_CASES, **HOT_CASES}.items()
]


@dataclass(frozen=True)
class Good:
    """A folder in order, whose process was killed, and what is in it."""

    folder: Path
    rows: pl.DataFrame

    def copy(self, folder: Path) -> Path:
        shutil.copytree(self.folder, folder)
        return folder


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Good]:
    folder = tmp_path_factory.mktemp("good") / "data"
    with running(folder, settings=OFTEN, faults=SMALL) as wayside:
        offered = Offered()
        for _ in range(8):
            assert offered.post(wayside, 150).status == 202
            time.sleep(0.05)
        assert wayside.post({"device_id": "c0-0"}).status == 422
        rows = log_rows(wayside)
        eventually(lambda: check_results(wayside, rows))
        eventually(lambda: check_lake(wayside, rows), 20)
        time.sleep(2.5)  # the state of open windows is saved once a second: what is damaged may be in it alone
        wayside.kill()
        yield Good(folder, rows)


@pytest.mark.parametrize("case", CASES)
def test_damage(good: Good, case: Case, tmp_path: Path) -> None:
    folder = good.copy(tmp_path / "data")
    path = sorted(folder.glob(case.pattern))[case.number]
    case.damage(path)
    with running(folder, settings=OFTEN, faults=SMALL) as wayside:
        served(wayside, good, lost=case.lost)
        # Windows and tables are whole: what was computed before the damage stays, or follows from a whole log.
        eventually(lambda: check_results(wayside, good.rows))
        named(wayside, case)
        assert len(list(folder.glob(case.aside))) if case.aside else True, "nothing was put aside"
        taken = Offered()
        assert taken.post(wayside, 10).status == 202
        wayside.kill()
        wayside.start()  # and not only once
        assert readable_rows(wayside).filter(pl.col("timestamp") >= taken.began).height >= 10


def served(wayside: Wayside, good: Good, *, lost: bool) -> None:
    """All rows that are not damaged, and as many as can be hoped for."""
    place = ["_partition", "_offset"]
    found = readable_rows(wayside).select(*place, "device_id", "value")
    whole = good.rows.select(*place, "device_id", "value")
    assert found.join(whole, on=[*place, "device_id", "value"], how="anti").is_empty(), "rows that were never there"
    if lost:
        assert whole.height // 2 <= found.height < whole.height
    else:
        assert found.height == whole.height


def named(wayside: Wayside, case: Case) -> None:
    """In the log, in a metric, in the status; or not at all, for what is only a help."""
    problems = wayside.get("/v1/status").json()["problems"]
    if not case.told:
        assert problems == []
        return
    assert any(case.told in problem["what"] and problem["next"] for problem in problems), problems
    assert not any("-1" in problem["what"] for problem in problems), problems
    assert wayside.metric("wayside_damaged_entries_total") >= 1
    assert [entry for entry in wayside.events("") if entry["level"] == "error"], wayside.tail()


DATA, OWN_LOG = "lake/bronze/processed_messages/*/*.parquet", "lake/bronze/processed_messages/_delta_log/*.json"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "damage", "told"),
    [
        (DATA, cut, True),
        (DATA, noise, True),
        (DATA, remove, True),
        (DATA, flip, False),  # Parquet has no checksum that anybody reads at a start
        (OWN_LOG, cut, True),
        (OWN_LOG, noise, True),
        (OWN_LOG, remove, False),  # the newest commit gone is an older table, and is written again
    ],
)
def test_the_lake_harms_nothing_else(
    good: Good, tmp_path: Path, pattern: str, damage: Callable[[Path], None], told: bool
) -> None:
    """Records are taken and questions answered, whatever the lake is like."""
    folder = good.copy(tmp_path / "data")
    damage(sorted(folder.glob(pattern))[-1])
    with running(folder, settings=OFTEN, faults=SMALL) as wayside:
        served(wayside, good, lost=False)
        eventually(lambda: check_results(wayside, good.rows))
        assert Offered().post(wayside, 10).status == 202
        if told:
            eventually(lambda: named(wayside, Case(pattern, damage, told="lake")))


def overwrite_in_place(path: Path) -> None:
    """What a stray `dd` does to a file that is open."""
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.write(random.Random(1).randbytes(size))
        file.truncate(size)


def asked(wayside: Wayside, path: str) -> int:
    """The status of an answer, 0 when there is none any more."""
    try:
        return wayside.get(path).status
    except OSError:
        return 0


def test_the_store_damaged_while_running(good: Good, tmp_path: Path) -> None:
    """No wrong answer is given; the process ends, because only a start can mend it; that start does."""
    folder = good.copy(tmp_path / "data")
    with running(folder, settings=OFTEN, faults=SMALL) as wayside:
        overwrite_in_place(folder / "hot" / "hot.sqlite")
        until = time.monotonic() + 30
        while wayside.alive() and time.monotonic() < until:
            assert asked(wayside, "/v1/windows/device_rollup") in (200, 503, 0)
            time.sleep(0.05)
        assert wayside.code() == 1, "it goes on without its store"
        assert "Restart" in wayside.tail(6)
        wayside.start()
        served(wayside, good, lost=False)
        eventually(lambda: check_results(wayside, good.rows))
        named(wayside, HOT_CASES["the store overwritten"])


@pytest.mark.slow
@pytest.mark.parametrize("pattern", [f"{TOPIC}/0/*.log", f"{TOPIC}/0/mark", f"{TOPIC}/0/*.idx", "hot/hot.sqlite-wal"])
def test_damage_while_running(good: Good, tmp_path: Path, pattern: str) -> None:
    """It goes on taking records, and the next start serves what is not damaged."""
    folder = good.copy(tmp_path / "data")
    with running(folder, settings=OFTEN, faults=SMALL) as wayside:
        overwrite_in_place(sorted(folder.glob(pattern))[0])
        offered = Offered()
        for _ in range(5):
            assert offered.post(wayside, 20).status == 202
        served(wayside, Good(folder, pl.concat([good.rows, fresh(wayside, offered)])), lost=pattern.endswith(".log"))
        wayside.kill()
        wayside.start()
        assert fresh(wayside, offered).height == 100


def fresh(wayside: Wayside, offered: Offered) -> pl.DataFrame:
    """The rows that were offered."""
    return readable_rows(wayside).filter(pl.col("timestamp") >= offered.began)


@pytest.mark.slow
def test_a_damaged_stamp_is_told(good: Good, tmp_path: Path) -> None:
    """It says which version may open the folder; without it nobody guesses. Gone, it is written again."""
    folder = good.copy(tmp_path / "data")
    noise(folder / "wayside.json")
    wayside = Wayside(folder, settings=OFTEN, faults=SMALL)
    wayside.spawn()
    assert wayside.wait_ready() is None
    assert "wayside.json" in wayside.tail()
    assert "next" in wayside.tail()
    (folder / "wayside.json").unlink()
    with running(folder, settings=OFTEN, faults=SMALL) as again:
        served(again, good, lost=False)
