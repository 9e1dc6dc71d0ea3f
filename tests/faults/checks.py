"""What must hold after every fault, compared with the journals of the clients and with the log itself."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
from polars.testing import assert_frame_equal

from tests.faults.process import Wayside
from tests.properties import oracle

TOPIC = "processed_messages"
WINDOW = "device_rollup"
SIZE, LATENESS = timedelta(seconds=10), timedelta(seconds=2)
PAGE = 10_000
BROKEN = re.compile(r"broken (\d+)/(\d+);")
Id = tuple[int, int]


@dataclass
class Journal:
    """What the clients know: ids by what became of them, and the place of each that was acknowledged."""

    acknowledged: set[Id] = field(default_factory=set)
    rejected: set[Id] = field(default_factory=set)
    sent: set[Id] = field(default_factory=set)
    sent_broken: set[Id] = field(default_factory=set)
    places: dict[tuple[int, int], set[Id]] = field(default_factory=dict)
    answers: int = 0
    repeated: int = 0

    @classmethod
    def read(cls, files: Iterable[Path]) -> Journal:
        """The journals of all clients. Raises AssertionError for an answer whose counts do not add up (I7)."""
        journal = cls()
        for file in files:
            for line in file.read_bytes().splitlines():
                entry = json.loads(line)
                ids = {(entry["client"], number) for number in entry["numbers"]}
                broken = {(entry["client"], number) for number in entry["broken"]}
                journal.sent |= ids
                journal.sent_broken |= broken
                if entry["what"] == "answered":
                    journal.answer(entry, ids, broken)
        return journal

    def answer(self, entry: dict[str, Any], ids: set[Id], broken: set[Id]) -> None:
        """Take one acknowledgement in."""
        answer = entry["answer"]
        self.answers += 1
        self.acknowledged |= ids
        self.rejected |= broken
        assert (entry["status"] == 422) == (not ids), entry
        if not answer:  # a device's own path answers with an empty body
            return
        assert answer["accepted"] + answer["duplicates"] == len(ids), entry
        assert answer["rejected"] == len(broken), entry
        assert answer["duplicates"] == 0 or entry["tries"] > 1, f"taken for a duplicate at the first try: {entry}"
        self.repeated += answer["duplicates"]
        for run in answer.get("offsets", []):
            for offset in range(run["first"], run["first"] + run["count"]):
                self.places.setdefault((run["partition"], offset), ids)


def log_rows(wayside: Wayside, topic: str = TOPIC, starts: dict[int, int] | None = None) -> pl.DataFrame:
    """Every row of a topic from the given offsets on, as the API tells it; offsets must follow each other."""
    frames = []
    listed = {each["name"]: each for each in wayside.get("/v1/topics").json()}[topic]
    for info in listed["partitions"]:
        partition, offset = info["partition"], (starts or {}).get(info["partition"], info["start"])
        while offset < info["end"]:
            path = f"/v1/topics/{topic}/records?partition={partition}&offset={offset}&limit={PAGE}&format=arrow"
            frame = wayside.get(path).frame()
            assert frame["_offset"].to_list() == list(range(offset, offset + frame.height)), "a hole in the log"
            assert frame.height, f"{partition}: nothing at {offset}, and the end is {info['end']}"
            frames.append(frame)
            offset += frame.height
    return pl.concat(frames) if frames else pl.DataFrame()


def readable_rows(wayside: Wayside, topic: str = TOPIC) -> pl.DataFrame:
    """Every row of a topic that can still be read, over holes; times as JSON tells them, in milliseconds."""
    frames = []
    listed = {each["name"]: each for each in wayside.get("/v1/topics").json()}[topic]
    for info in listed["partitions"]:
        offset: int | None = info["start"]
        while offset is not None:
            path = f"/v1/topics/{topic}/records?partition={info['partition']}&offset={offset}&limit={PAGE}"
            page = wayside.get(path).json()
            if page["rows"]:
                names = [column["name"] for column in page["columns"]]
                frames.append(pl.DataFrame(page["rows"], schema=names, orient="row"))
            assert page["next"] is None or page["next"] > offset, "reading goes in circles"
            offset = page["next"]
    times = pl.col("timestamp", "_appended").str.to_datetime(time_unit="us", time_zone="UTC")
    return pl.concat(frames).with_columns(times)


def with_ids(rows: pl.DataFrame) -> list[Id]:
    """(client, number) of each row."""
    clients = rows["device_id"].str.extract(r"^c(\d+)-").cast(pl.Int64)
    return list(zip(clients, rows["value"].cast(pl.Int64), strict=True))


@dataclass
class LogCheck:
    """I1, I2, I4, I5: the log against the journals. What was read once must never change."""

    seen: pl.DataFrame = field(default_factory=pl.DataFrame)

    def run(self, wayside: Wayside, journal: Journal, *, whole: bool) -> pl.DataFrame:
        """All rows of the log; `whole` reads the old ones again, too."""
        starts = (
            dict(self.seen.group_by("_partition").agg(pl.col("_offset").max() + 1).iter_rows())
            if len(self.seen)
            else {}
        )
        fresh = log_rows(wayside, starts={} if whole else starts)
        rows = fresh if whole or not len(self.seen) else pl.concat([self.seen, *([fresh] if len(fresh) else [])])
        rows = rows.sort("_partition", "_offset")
        if whole and len(self.seen):
            old = rows.join(self.seen.select("_partition", "_offset"), on=["_partition", "_offset"], how="semi")
            assert_frame_equal(old.sort("_partition", "_offset"), self.seen)
        self.seen = rows
        self.against(rows, journal)
        return rows

    def against(self, rows: pl.DataFrame, journal: Journal) -> None:
        ids = with_ids(rows)
        counted = Counter(ids)
        twice = [each for each, number in counted.items() if number > 1]
        lost = journal.acknowledged - counted.keys()
        assert not lost, f"{len(lost)} acknowledged records are lost: {sorted(lost)[:5]}"
        assert not twice, f"{len(twice)} records are there twice: {sorted(twice)[:5]}"
        assert counted.keys() <= journal.sent, "records that nobody sent"
        assert not counted.keys() & journal.sent_broken, "rejected records are in the log"
        where = dict(zip(zip(rows["_partition"], rows["_offset"], strict=True), ids, strict=True))
        moved = [place for place, allowed in journal.places.items() if where.get(place) not in allowed]
        assert not moved, f"{len(moved)} records are not where their acknowledgement says: {moved[:5]}"


def check_quarantine(wayside: Wayside, journal: Journal) -> int:
    """I7: every rejected record that was answered for is kept, once; returns how many are kept."""
    rows = log_rows(wayside, "_quarantine")
    raws = [] if not len(rows) else rows["raw"].to_list()
    found = Counter(
        (int(match[1]), int(match[2]))
        for raw in raws
        if (match := BROKEN.search(raw.decode() if isinstance(raw, bytes) else raw))
    )
    assert len(raws) == found.total()
    assert not journal.rejected - found.keys(), "rejected records are not in quarantine"
    assert found.keys() <= journal.sent_broken
    assert max(found.values(), default=1) == 1, "a rejected record is kept twice"
    return found.total()


def recomputed(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Windows and places of late rows from the log alone, as docs/semantics.md defines them."""
    size, newest = pl.lit(SIZE), pl.min_horizontal("timestamp", "_appended")
    judged = rows.sort("_partition", "_offset").with_columns(
        mark=newest.cum_max().shift(1).over("_partition") - LATENESS,
        window_start=pl.col("timestamp").dt.truncate("10s"),
    )
    is_late = (pl.col("window_start") + size <= pl.col("mark")).fill_null(False)
    reached = judged.group_by("_partition").agg(newest.max() - LATENESS).to_series(1).min()
    windows = (
        judged.filter(~is_late)
        .group_by("window_start", "device_id", "sensor")
        .agg(
            count=pl.len().cast(pl.Int64),
            average=pl.col("value").sum() / pl.col("value").count(),
            minimum=pl.col("value").min(),
            maximum=pl.col("value").max(),
        )
        .with_columns(open=pl.col("window_start") + size > reached)
    )
    return windows, judged.filter(is_late).select("_partition", "_offset")


def check_results(wayside: Wayside, rows: pl.DataFrame) -> pl.DataFrame:
    """I2, I3: windows, late rows and the table are what the log says, each row once; returns the windows."""
    expected, late = recomputed(rows)
    by = ["window_start", "device_id", "sensor"]
    found = wayside.get(f"/v1/windows/{WINDOW}?from=2000-01-01T00:00:00Z&limit=100000&format=arrow").frame()
    assert not found.select(by).is_duplicated().any(), "a window row is there twice"
    names = [*by, "count", "average", "minimum", "maximum", "open"]
    assert_frame_equal(found.select(names).sort(by), expected.select(names).sort(by), check_dtypes=False)
    found_late = wayside.get(f"/v1/windows/{WINDOW}/late?limit=100000&format=arrow").frame()
    place = ["_partition", "_offset"]
    assert_frame_equal(found_late.select(place).sort(place), late.sort(place), check_dtypes=False)
    assert found["count"].sum() + found_late.height == rows.height
    check_table(wayside, rows)
    return found


def check_table(wayside: Wayside, rows: pl.DataFrame) -> None:
    """The newest row per key; of equal times the later in the log."""
    key = ["device_id", "sensor"]
    newest = rows.sort("timestamp", "_offset").unique(key, keep="last", maintain_order=True)
    table = wayside.get("/v1/tables/device_latest?limit=100000&format=arrow").frame()
    names = [*key, "timestamp", "value"]
    assert_frame_equal(table.select(names).sort(key), newest.select(names).sort(key))


def check_oracle(rows: pl.DataFrame, windows: pl.DataFrame) -> None:
    """The same once more against the slow oracle, row by row."""
    micros = pl.col("timestamp", "_appended").to_physical()
    key = pl.concat_str("device_id", "sensor", separator="/").alias("key")
    plain = rows.sort("_partition", "_offset").with_columns(micros, key)
    log = [
        oracle.Row(row["_partition"], row["key"], row["timestamp"], row["value"], row["_appended"])
        for row in plain.iter_rows(named=True)
    ]
    second = 1_000_000
    partitions = rows["_partition"].n_unique()
    answer = oracle.spans(log, size=10 * second, every=10 * second, lateness=2 * second, partitions=partitions)
    found = {
        (row["key"], row["window_start"]): (row["count"], row["minimum"], row["maximum"], row["open"])
        for row in windows.with_columns(pl.col("window_start").to_physical(), key).iter_rows(named=True)
    }
    told = {(key, start): (cell[0], cell[3], cell[4], False) for (key, start, _), cell in answer.closed.items()}
    told |= {(key, start): (cell[0], cell[3], cell[4], True) for (key, start, _), cell in answer.open.items()}
    assert found == told


def check_lake(wayside: Wayside, rows: pl.DataFrame) -> int:
    """Bronze has each row of the log once, gold each closed window once; returns the number of both."""
    place = ["_partition", "_offset"]
    bronze = pl.read_delta(str(wayside.folder / "lake" / "bronze" / TOPIC))
    assert not bronze.select(place).is_duplicated().any(), "a record is in the lake twice"
    names = [*place, "device_id", "timestamp", "value"]
    assert_frame_equal(bronze.select(names).sort(place), rows.select(names).sort(place), check_dtypes=False)
    closed = recomputed(rows)[0].filter(~pl.col("open"))
    gold = pl.read_delta(str(wayside.folder / "lake" / "gold" / WINDOW))
    by = ["window_start", "device_id", "sensor", "count", "minimum", "maximum"]
    assert_frame_equal(gold.select(by).sort(by), closed.select(by).sort(by), check_dtypes=False)
    return bronze.height + gold.height


def eventually(check: Callable[[], Any], patience: float = 10.0) -> Any:
    """Try a check until it holds; its last failure is the test's."""
    until = time.monotonic() + patience
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
