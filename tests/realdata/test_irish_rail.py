"""Irish Rail: two hours of raw XML and all 17 days of positions, through log, engine and store, and counted.

What is expected is counted from the recording itself, without our reader.
"""

from __future__ import annotations

import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

import polars as pl
import pytest

from wayside.adapters.entities import Change, Entities, ids_of
from wayside.clock import ManualClock
from wayside.quarantine import QUARANTINE
from wayside.runtime.chosen import plan_of
from wayside.runtime.service import Service
from wayside.settings import Settings
from wayside_domains.transit import Network, Transit
from wayside_domains.transit.irish import SPACE, Reader

pytestmark = pytest.mark.realdata
FEED = "x_trains"
BATCH = 20_000
"""Messages that are handed over together; the engine sees them in smaller pieces."""
Document = tuple[datetime, bytes]


@dataclass
class Outcome:
    """What became of a recording."""

    documents: int = 0
    offered: int = 0
    accepted: int = 0
    rejected: int = 0
    logged: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    held: set[str] = field(default_factory=set)
    table: pl.DataFrame = field(default_factory=pl.DataFrame)
    counted: dict[str, int] = field(default_factory=dict)
    """Per window, the positions that it has counted, closed, open or late."""
    seconds: float = 0.0


def messages(documents: Iterator[Document], outcome: Outcome) -> Iterator[tuple[datetime, list[bytes]]]:
    """What the documents tell, in batches, with the time of the last document of each."""
    read, entities = Reader("x"), Entities(("network", "vehicle_id"), "timestamp")
    waiting: list[bytes] = []
    at = datetime(2025, 1, 1, tzinfo=UTC)
    for at, body in documents:
        change: Change = read.read(body, at)
        waiting += entities.apply(change, at)
        outcome.documents += 1
        outcome.held = {message["vehicle_id"] for message in change.messages}
        if len(waiting) >= BATCH:
            yield at, waiting
            waiting = []
    yield at, waiting


def replayed(folder: Path, documents: Iterator[Document]) -> Outcome:
    """A recording through everything that `wayside up` runs but the server."""
    transit = Transit("feed", "Feed", Network("x", "X"), zone="Europe/Dublin")
    transit.irish("x", "http://127.0.0.1:9/xml")
    clock, outcome, began = ManualClock(datetime(2025, 9, 18, tzinfo=UTC)), Outcome(), time.monotonic()
    with Service(plan_of([transit.domain()]), Settings(data_dir=folder, lake=False), clock=clock) as service:
        service.engine.start()
        for at, lines in messages(documents, outcome):
            clock.advance(max(0.0, (at - clock.now()).total_seconds()))
            receipt = service.intakes[FEED].submit(lines, ids=ids_of(lines)).result(60)
            outcome.offered += len(lines)
            outcome.accepted += len(receipt.appended.offsets) - receipt.appended.duplicates
            outcome.rejected += receipt.rejected
        until = time.monotonic() + 120
        ends = {
            ("vehicle_positions", info.partition): info.end for info in service.broker.partitions("vehicle_positions")
        }
        while (saved := service.store.checkpoint("engine")) is None or not ends.items() <= saved.positions.items():
            assert time.monotonic() < until, "the engine does not come to the end"
            time.sleep(0.05)
        outcome.logged = sum(info.end for info in service.broker.partitions("vehicle_positions"))
        offset = 0
        while (batch := service.broker.read(QUARANTINE, 0, offset)) is not None:
            outcome.quarantined.update(batch.frame["rule"].to_list())
            offset = batch.next
        outcome.table = service.store.table("vehicles", limit=10_000)
        ever = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
        for name in ("trip_runs", "route_delay"):
            parts = [service.store.windows(name, *ever)["rows"].sum(), service.engine.open_windows(name)["rows"].sum()]
            outcome.counted[name] = int(sum(parts)) + service.store.late_count(name)
        service.engine.stop()
    outcome.seconds = time.monotonic() - began
    return outcome


def reconciled(outcome: Outcome) -> None:
    """Nothing is lost and nothing counted twice, between what was offered and what is in the log, or apart from it."""
    assert outcome.offered == outcome.accepted + outcome.rejected
    assert outcome.logged == outcome.accepted
    assert sum(outcome.quarantined.values()) == outcome.rejected
    assert set(outcome.quarantined) <= {"placed", "reported_delay.range", "vehicle_id.length"}
    print(
        f"{outcome.documents} documents, {outcome.offered} messages, {outcome.accepted} accepted, {outcome.rejected} "
        f"kept apart: {dict(outcome.quarantined)}; {outcome.counted}; {outcome.seconds:.0f} s"
    )


def test_two_hours_of_raw_xml(real_data: Path, tmp_path: Path) -> None:
    def documents() -> Iterator[Document]:
        with tarfile.open(real_data / "irish_rail_live/raw_xml_20251003.tar.gz") as archive:
            for member in sorted(filter(tarfile.TarInfo.isfile, archive.getmembers()), key=lambda one: one.name):
                file = archive.extractfile(member)
                if file is not None and member.name.endswith(".xml"):
                    stem = Path(member.name).stem.split("_")[1]
                    yield datetime.strptime(stem, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC), file.read()

    outcome = replayed(tmp_path, documents())
    reconciled(outcome)
    assert outcome.documents > 100
    assert outcome.offered > 5_000
    assert set(outcome.table["vehicle_id"]) <= outcome.held
    assert outcome.table.height > 40


def recorded(real_data: Path, days: int) -> pl.DataFrame:
    """The first days of the recorded positions, with the text of what may be text."""
    rows = pl.read_parquet(real_data / "irish_rail_live/positions_minutely.parquet").drop("__index_level_0__")
    rows = rows.with_columns(pl.col(pl.Categorical).cast(pl.String)).sort("scrape_ts", maintain_order=True)
    return rows.filter(pl.col("scrape_ts") < pl.col("scrape_ts").min() + days * 86_400)


def as_documents(rows: pl.DataFrame) -> Iterator[Document]:
    """The positions as the XML that they were scraped from."""
    root = f'ArrayOfObjTrainPositions xmlns="{SPACE.strip("{}")}"'
    tags = ("TrainCode", "TrainDate", "TrainStatus", "TrainLatitude", "TrainLongitude", "Direction", "PublicMessage")
    for at, trains in groupby(rows.iter_rows(), key=lambda row: row[0]):
        inner = "".join(
            "<objTrainPositions>"
            + "".join(f"<{tag}>{escape(str(value))}</{tag}>" for tag, value in zip(tags, row[1:], strict=True))
            + "</objTrainPositions>"
            for row in trains
        )
        yield datetime.fromtimestamp(at, UTC), f"<{root}>{inner}</ArrayOfObjTrainPositions>".encode()


@dataclass
class Expected:
    """What a recording holds, counted with the recording alone."""

    told: int
    nowhere: int
    too_late: int
    delayed: int
    left: int


def expected(rows: pl.DataFrame) -> Expected:
    """Of a train that is twice in a document the second word counts, unless it says the same."""
    minutes = pl.col("message").str.extract(r"\((-?\d{1,4}) mins? late\)").cast(pl.Int64)
    key = ["scrape_ts", "train_code", "train_date"]
    once = rows.unique([*key, "status", "lat", "lon", "message"], maintain_order=True).with_columns(minutes=minutes)
    nowhere = (pl.col("lat") == 0) & (pl.col("lon") == 0)
    too_late = pl.col("minutes").abs() > 720
    documents = rows["scrape_ts"].unique().sort()
    following = pl.DataFrame({"scrape_ts": documents[:-1], "next": documents[1:]})
    keys = rows.select(key).unique()
    after = keys.rename({"scrape_ts": "next"})
    left = keys.join(following, on="scrape_ts").join(after, on=["next", "train_code", "train_date"], how="anti")
    told = once.filter(pl.col("train_code").str.len_chars() > 0)
    # A train breaks one rule or the other; the first that it breaks is named.
    return Expected(
        told.height,
        told.filter(nowhere & ~too_late.fill_null(False)).height,
        told.filter(too_late).height,
        told.filter(pl.col("minutes").is_not_null() & ~too_late & ~nowhere).height,
        left.height,
    )


@pytest.mark.parametrize("days", [2, pytest.param(18, marks=pytest.mark.slow)])
@pytest.mark.timeout(900)
def test_days_of_positions(real_data: Path, tmp_path: Path, days: int) -> None:
    rows = recorded(real_data, days)
    outcome, wanted = replayed(tmp_path, as_documents(rows)), expected(rows)
    print(wanted, rows.height)
    reconciled(outcome)
    assert outcome.documents == rows["scrape_ts"].n_unique()
    assert outcome.offered == wanted.told + wanted.left
    assert outcome.quarantined["reported_delay.range"] >= wanted.too_late
    assert outcome.quarantined["placed"] == wanted.nowhere
    for name, counted in outcome.counted.items():
        assert counted == wanted.delayed, name
    last = rows.filter(pl.col("scrape_ts") == pl.col("scrape_ts").max())
    placed = last.filter((pl.col("lat") != 0) | (pl.col("lon") != 0))
    there = {f"{code}@{day_text(day)}" for code, day in placed.select("train_code", "train_date").iter_rows()}
    table = set(outcome.table["vehicle_id"])
    assert there <= table <= outcome.held
    newest = outcome.table["timestamp"].max()
    assert isinstance(newest, datetime)
    assert newest == datetime.fromtimestamp(last["scrape_ts"][0], UTC)
    assert (
        outcome.table.filter(pl.col("timestamp") < newest - timedelta(minutes=1)).height <= last.height - placed.height
    )


def day_text(text: str) -> str:
    """`03 Oct 2025` as 20251003."""
    return datetime.strptime(text, "%d %b %Y").replace(tzinfo=UTC).strftime("%Y%m%d")
