"""Small parts of the live stream, the log pages and the bodies, each by itself."""

from __future__ import annotations

import asyncio
import gzip
import os
import pickle
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server_site import weather as plan
from wayside.broker import MemoryBroker
from wayside.clock import ManualClock
from wayside.server import bodies, logs
from wayside.server.changes import Wish, changed, merge
from wayside.server.limits import Limits
from wayside.server.problems import ProblemError
from wayside.server.ring import Ring
from wayside.server.subscriber import Subscriber
from wayside.values import Commit

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = plan()
SPEC = PLAN.tables["latest"].spec


def rows(*cells: tuple[str, int, float, bool]) -> pl.DataFrame:
    """Changed rows of the table: station, second, value, deleted."""
    return pl.DataFrame(
        [
            (station, "air", NOW + timedelta(seconds=second), value, None, None, deleted)
            for station, second, value, deleted in cells
        ],
        schema={**SPEC.schema, "_deleted": pl.Boolean()},
        orient="row",
    )


def commit(sequence: int, frame: pl.DataFrame | None = None, late: int = 0) -> Commit:
    return Commit(sequence, NOW, {"latest": frame} if frame is not None else {}, {}, {"rollup": late} if late else {})


def test_merged_commits_hold_the_newest_row_per_key() -> None:
    one = commit(1, rows(("a", 5, 1.0, False), ("b", 1, 1.0, False)), late=2)
    two = commit(2, rows(("a", 3, 2.0, False), ("b", 1, 2.0, False), ("c", 1, 2.0, True)), late=1)
    merged = merge(PLAN, [one, two])
    assert (merged.sequence, merged.late) == (2, {"rollup": 3})
    found = {row[0]: (row[3], row[-1]) for row in merged.tables["latest"].rows()}
    assert found == {"a": (1.0, False), "b": (2.0, False), "c": (2.0, True)}
    assert merge(PLAN, [one]) is one


def test_an_event_holds_what_was_wished_for() -> None:
    full = commit(9, rows(("a", 1, 1.0, False), ("b", 1, float("nan"), False), ("c", 1, 1.0, True)), late=4)
    event = changed(PLAN, full, Wish(tables=("latest",), windows=("rollup",)), NOW)
    assert event is not None
    text = event.decode()
    assert text.startswith("id: 9\nevent: commit\ndata: {")
    assert text.endswith("}\n\n")
    assert text.count("\n") == 4
    assert '"deleted":[["c","air"]]' in text
    assert '"late":{"rollup":4}' in text
    assert "NaN" not in text
    assert changed(PLAN, full, Wish(tables=("latest_warm",)), NOW) is None
    assert changed(PLAN, full, Wish(tables=("latest",), where=(("station", "z"),)), NOW) is None
    only = changed(PLAN, full, Wish(tables=("latest",), where=(("station", "a"), ("station", "z"))), NOW)
    assert only is not None
    assert b'"a"' in only
    assert b'"b"' not in only


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_text_from_feeds_cannot_break_out_of_its_line(text: str) -> None:
    event = changed(PLAN, commit(1, rows((text, 1, 1.0, False))), Wish(tables=("latest",)), NOW)
    assert event is not None
    lines = event.split(b"\n")
    assert [line[:5] for line in lines] == [b"id: 1", b"event", b"data:", b"", b""]
    assert b"\r" not in event


def test_the_ring_knows_what_it_still_has() -> None:
    ring = Ring(replace(Limits(), ring_events=3))
    assert ring.after(0) is None
    for sequence in range(5, 11):
        ring.add(commit(sequence))
    assert ring.latest == 10
    assert [kept.sequence for kept in ring.after(8) or []] == [9, 10]
    assert ring.after(10) == []
    assert [kept.sequence for kept in ring.after(7) or []] == [8, 9, 10]
    assert ring.after(6) is None
    assert ring.after(11) is None


def test_the_ring_is_bounded_in_bytes() -> None:
    frame = rows(*[(f"s{number}", 1, 1.0, False) for number in range(1000)])
    weight = len(pickle.dumps(commit(0, frame), pickle.HIGHEST_PROTOCOL))
    ring = Ring(replace(Limits(), ring_bytes=3 * weight + 100))
    for sequence in range(10):
        ring.add(commit(sequence, frame))
    assert [kept.sequence for kept in ring.after(6) or []] == [7, 8, 9]
    assert ring.after(4) is None


def test_a_few_rows_in_the_ring_do_not_hold_on_to_all_that_were_read_with_them() -> None:
    ring = Ring(replace(Limits(), ring_bytes=20 * 4_000))
    for sequence in range(1, 21):
        read = rows(*[(f"a station with a long name {number}", 1, 1.0, False) for number in range(2000)])
        ring.add(commit(sequence, read.filter(pl.col("station") == "a station with a long name 7")))
    kept = ring.after(0) or []
    assert [one.sequence for one in kept] == list(range(1, 21))
    assert {one.tables["latest"].height for one in kept} == {1}


async def test_a_subscribers_queue_is_bounded_in_number_and_bytes() -> None:
    limits = replace(Limits(), queue_events=3, queue_bytes=100)
    few = Subscriber(Wish(), limits, ManualClock())
    assert [few.put(b"x") for _ in range(4)] == [True, True, True, False]
    assert await few.take() == b"xxx"
    wide = Subscriber(Wish(), limits, ManualClock())
    assert wide.put(b"x" * 500), "one event always fits an empty queue"
    assert not wide.put(b"x")
    wide.overflow(b"too much")
    assert await wide.take() == b"too much"
    assert await wide.take() == b""
    waiting = asyncio.create_task(few.take())
    await asyncio.sleep(0)
    few.put(b"late")
    assert await waiting == b"late"


def written(count: int) -> MemoryBroker:
    """A log of numbered samples, several entries."""
    broker = MemoryBroker()
    broker.create(PLAN.topics["samples"].spec)
    schema = PLAN.topics["samples"].spec.schema
    for start in range(0, count, 7):
        frame = pl.DataFrame(
            [(f"s{n}", "air", NOW, float(n), None, None) for n in range(start, min(start + 7, count))],
            schema=schema,
            orient="row",
        )
        broker.append("samples", frame).result()
    return broker


@given(st.integers(1, 60), st.integers(0, 70), st.integers(1, 70), st.integers(1, 5))
def test_pages_of_the_log_are_what_a_list_would_give(count: int, offset: int, limit: int, step: int) -> None:
    reader = logs.LogReader(written(count), "samples", 0)
    numbers = [n for n in range(count) if n % step == 0]

    def keeps(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.filter(pl.col("_offset") % step == 0)

    def found(page: logs.Page) -> list[int]:
        return page.frame["_offset"].to_list() if page.frame.height else []

    forward = reader.forward(offset, limit, keeps)
    assert found(forward) == [n for n in numbers if n >= offset][:limit]
    if forward.next is not None:
        assert found(reader.forward(forward.next, 100, keeps)) == [n for n in numbers if n >= offset][limit:]
    backward = reader.backward(offset, limit, keeps)
    assert found(backward) == [n for n in numbers if n < offset][-limit:]
    if backward.next is not None:
        rest = [n for n in numbers if n < offset][:-limit]
        assert found(reader.backward(backward.next, 100, keeps)) == rest


@given(st.binary(max_size=3000), st.sampled_from(["gzip", "zstd"]), st.integers(0, 40))
def test_what_was_compressed_comes_out_again_or_is_refused(body: bytes, name: str, cut: int) -> None:
    packed = gzip.compress(body) if name == "gzip" else bytes(pa.compress(body, codec="zstd", asbytes=True))
    limits = Limits()
    assert bodies.decompress(packed, name, limits.body_batch, limits) == body
    if cut:
        with pytest.raises(ProblemError) as refused:
            bodies.decompress(packed[:-cut], name, limits.body_batch, limits)
        assert refused.value.status == 400


@given(st.binary(max_size=200), st.sampled_from(["gzip", "zstd"]))
def test_garbage_is_refused_and_never_a_fault(body: bytes, name: str) -> None:
    with pytest.raises(ProblemError):
        bodies.decompress(
            b"\x28\xb5\x2f\xfd" + body if name == "zstd" else b"\x1f\x8b\x08" + body, name, 1000, Limits()
        )


def test_bombs_stop_at_the_cap() -> None:
    limits = Limits()
    for name, bomb in (
        ("gzip", gzip.compress(bytes(256 << 20), 1)),
        ("zstd", bytes(pa.compress(bytes(256 << 20), codec="zstd", asbytes=True))),
    ):
        with pytest.raises(ProblemError) as refused:
            bodies.decompress(bomb, name, limits.body_batch, limits)
        assert refused.value.status == 413
    noise = os.urandom(1 << 20)
    assert bodies.decompress(gzip.compress(noise), "gzip", limits.body_batch, limits) == noise
