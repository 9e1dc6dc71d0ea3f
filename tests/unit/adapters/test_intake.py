from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.adapters.world import START, Log, level, levels, pair, pairs, plain
from wayside.adapters import intake as module
from wayside.adapters.convert import Converter
from wayside.adapters.intake import FeedIntake
from wayside.adapters.receipts import receipts
from wayside.clock import ManualClock
from wayside.domain import Feed
from wayside.errors import DiskFullError, OverloadedError
from wayside.quarantine import QUARANTINE
from wayside.values import Appended, Receipt


@pytest.fixture
def opened() -> Iterator[Callable[..., FeedIntake]]:
    made: list[FeedIntake] = []

    def make(log: Log, feed: Feed = plain, capacity: int = module.CAPACITY) -> FeedIntake:
        made.append(FeedIntake(feed, log, clock=ManualClock(START), capacity=capacity))
        return made[-1]

    yield make
    for each in made:
        log = each._broker
        assert isinstance(log, Log)
        log.go.set()
        each.close()


Open = Callable[..., FeedIntake]


def test_good_rows_are_appended_and_bad_ones_quarantined_with_their_bytes(opened: Open) -> None:
    log = Log()
    lines = [level(1), b"{no json", level(101), level(2, "h"), b'{"gauge":"g","level":3}']
    receipt = opened(log).submit(lines).result(10)
    assert [(r.row, r.rule) for r in receipt.rejections] == [
        (1, "json.syntax"),
        (2, "level.range"),
        (4, "at.required"),
    ]
    assert receipt.rejected == 3
    stored = log.rows().sort("level")
    assert stored["level"].to_list() == [1.0, 2.0]
    assert receipt.appended.partitions.to_list() == stored["_partition"].to_list()
    assert receipt.appended.offsets.to_list() == stored["_offset"].to_list()
    assert log.refused()["raw"].to_list() == [lines[1], lines[2], lines[4]]
    assert set(log.refused()["feed"]) == {"plain"}


@pytest.mark.parametrize("size", [3, 5000])
def test_a_block_is_its_lines(opened: Open, size: int) -> None:
    log = Log()
    block = b"\n".join([level(n % 100) for n in range(size)] + [b"", b"  ", b"nonsense", level(500), b""])
    receipt = opened(log).submit_block(block).result(20)
    assert len(receipt.appended.offsets) == size
    assert [(r.row, r.rule) for r in receipt.rejections] == [(size, "json.syntax"), (size + 1, "level.range")]
    assert log.refused()["raw"].to_list() == [b"nonsense", level(500)]


@pytest.mark.parametrize("size", [2, 700])
def test_blocks_that_are_judged_together_are_counted_apart(size: int) -> None:
    lines = [level(number % 90) for number in range(size)]
    contents = [b"\n".join(lines), b"\n \n" + b"\n".join(lines[:1]) + b"\n\n", b"", b"\n", b"\n".join(lines) + b"\n"]
    converted, counts = Converter(plain).blocks(contents, START)
    assert counts == [size, 1, 0, 0, size]
    alone = [Converter(plain).block(content, START) for content in contents]
    assert [count for _, count in alone] == counts
    assert converted.messages.to_list() == list(range(2 * size + 1))
    assert converted.frame["level"].to_list() == [value for one, _ in alone for value in one.frame["level"]]


def test_a_frame_of_text_is_cast_by_the_rules_of_the_record(opened: Open) -> None:
    log = Log()
    frame = pl.DataFrame(
        {
            "gauge": ["a", "b", "c", "d", "e", None],
            "at": ["2026-03-01T11:00:00Z", "1772362800", "yesterday", "2026-03-01T11:00:00Z", None, "0"],
            "level": ["1.5", "2", "3", "1_000", "4", "5"],
            "surplus": ["x"] * 6,
        }
    )
    receipt = opened(log).submit_frame(frame, ids=[f"row {n}" for n in range(6)]).result(10)
    assert [(r.row, r.rule) for r in receipt.rejections] == [
        (2, "at.instant"),
        (3, "level.type"),
        (4, "at.required"),
        (5, "gauge.required"),
    ]
    assert log.rows().sort("gauge")["level"].to_list() == [1.5, 2.0]
    assert log.refused()["raw"].to_list() == [
        b'{"gauge":"c","at":"yesterday","level":3.0}',
        b'{"gauge":"d","at":"2026-03-01T11:00:00Z","level":"1_000"}',
        b'{"gauge":"e","level":4.0}',
        b'{"at":"1970-01-01T00:00:00Z","level":5.0}',
    ]


def test_what_comes_while_the_log_writes_is_merged(opened: Open) -> None:
    log = Log(held=True)
    intake = opened(log)
    first = intake.submit([level(0)])
    until(lambda: len(log.calls) == 1)
    futures = [intake.submit([level(n % 100)]) for n in range(500)]
    assert not wait([first, *futures], timeout=0.05).done
    log.go.set()
    assert all(not future.result(10).rejected for future in futures)
    assert log.rows().height == 501
    assert len(log.calls) < 20


def test_after_a_large_group_the_next_one_has_a_moment_to_become_as_large(opened: Open) -> None:
    log = Log(held=True)
    intake = opened(log)
    block = b"\n".join([level(n % 100) for n in range(3000)])
    assert module.SMALL / 2 < len(block) < module.SMALL
    first = intake.submit([level(0)])
    until(lambda: len(log.calls) == 1)
    together = [intake.submit_block(block), intake.submit_block(block)]
    until(lambda: len(log.calls) == 2)
    log.go.set()
    assert not any(future.result(20).rejected for future in [first, *together])

    alone = intake.submit_block(block)
    assert not wait([alone], timeout=0.05).done  # the clock of this test stands still
    assert not any(future.result(20).rejected for future in [alone, intake.submit_block(block)])
    assert [rows for _, rows in log.calls] == [1, 6000, 6000]

    late = intake.submit([level(1)])
    assert not wait([late], timeout=0.05).done
    assert isinstance(intake._clock, ManualClock)
    intake._clock.advance(module.GATHER)
    assert not late.result(20).rejected
    assert not intake.submit([level(1)]).result(20).rejected  # and a single one waits for nobody


def test_a_receipt_waits_for_the_quarantine_too(opened: Open) -> None:
    log = Log()
    log.slow = {QUARANTINE}
    future = opened(log).submit([level(1), level(101)])
    until(lambda: log.rows().height == 1)
    assert not wait([future], timeout=0.05).done
    log.go.set()
    assert future.result(10).rejected == 1
    assert log.refused().height == 1


def test_a_repeated_id_adds_nothing_neither_to_the_topic_nor_to_the_quarantine(opened: Open) -> None:
    log = Log()
    intake = opened(log)
    lines = [level(1), b"broken", level(2), level(200)]
    for ids in (["key"], ["key"], ["a", "b", "c", "d"], ["a", "b", "c", "d"]):
        receipt = intake.submit(lines, ids=ids).result(10)
        assert receipt.rejected == 2
    assert receipt.appended.duplicates == 2
    assert receipt.appended.offsets.to_list() == [-1, -1]
    assert log.rows().height == 4
    assert log.refused().height == 4
    other = FeedIntake(levels.feed("other", plain.source), log, clock=ManualClock(START))
    assert other.submit(lines, ids=["key"]).result(10).appended.duplicates == 0
    other.close()


def test_ids_must_fit_the_messages(opened: Open) -> None:
    intake = opened(Log())
    for future in (
        intake.submit([level(1)] * 3, ids=["a", "b"]),
        intake.submit_block((level(1) + b"\n") * 5000, ids=["a", "b"]),
    ):
        with pytest.raises(ValueError, match="need"):
            future.result(10)
    assert intake.submit([level(1)]).result(10).rejected == 0


def test_of_a_message_with_several_rows_only_the_bad_row_is_quarantined_and_can_come_alone(opened: Open) -> None:
    log = Log()
    intake = opened(log, pairs)
    receipt = intake.submit([pair("a", 1, 2), pair("b", 3, None), pair("c", 700, 4), b"[]"], ids=["k"]).result(10)
    assert len(receipt.appended.offsets) == 4
    assert [(r.row, r.rule) for r in receipt.rejections] == [
        (3, "json.object"),
        (1, "level.required"),
        (2, "level.range"),
    ]
    kept = log.refused().select("feed", "rule", "raw").rows()
    assert kept[0] == ("pairs", "json.object", b"[]")
    assert kept[1][:2] == ("levels", "level.required")
    assert kept[2] == ("levels", "level.range", b'{"gauge":"c-upper","at":"2026-03-01T12:00:00Z","level":700.0}')
    again = intake.submit([pair("a", 1, 2), pair("b", 3, None), pair("c", 700, 4), b"[]"], ids=["k"]).result(10)
    assert again.appended.duplicates == 4
    assert log.refused().height == 3


def test_a_parse_function_that_fails_loses_only_the_guilty_messages(opened: Open) -> None:
    log = Log()
    lines = [pair(f"gauge {n}", n, n) for n in range(60)]
    lines[7], lines[8], lines[41] = (pair(f"poison {n}", 1, 1) for n in range(3))
    receipt = opened(log, pairs).submit(lines).result(10)
    assert [(r.row, r.rule) for r in receipt.rejections] == [
        (7, "parse.error"),
        (8, "parse.error"),
        (41, "parse.error"),
    ]
    assert log.refused()["raw"].to_list() == [lines[7], lines[8], lines[41]]
    assert len(receipt.appended.offsets) == 2 * 57


def test_beyond_its_capacity_it_refuses_and_later_takes_again(opened: Open) -> None:
    log = Log(held=True)
    intake = opened(log, capacity=10_000)
    taken: list[Future[Receipt]] = []

    def flood() -> None:
        for _ in range(1000):
            taken.append(intake.submit([level(1)]))  # noqa: PERF401 - what was taken before the refusal must be known

    with pytest.raises(OverloadedError) as caught:
        flood()
    assert caught.value.retry_after > 0
    assert 20 < len(taken) < 40
    assert intake.held <= 10_000
    log.go.set()
    assert [future.result(10).rejected for future in taken] == [0] * len(taken)
    until(lambda: intake.held == 0)
    assert intake.submit([level(1)]).result(10).rejected == 0


def test_one_submission_may_exceed_the_capacity_when_nothing_else_is_held(opened: Open) -> None:
    intake = opened(Log(), capacity=1000)
    assert intake.submit([level(1)] * 100).result(10).rejected == 0


def test_a_failing_log_is_told_to_those_who_wait_and_to_nobody_else(opened: Open) -> None:
    log = Log()
    intake = opened(log)
    log.error = DiskFullError("There is no space left.")
    with pytest.raises(DiskFullError):
        intake.submit([level(1)]).result(10)
    assert "no space" in intake.status().last_error
    log.error = None
    assert intake.submit([level(2)]).result(10).rejected == 0
    assert intake.held == 0
    assert intake.status().records == 1


def test_a_full_log_makes_it_wait(opened: Open) -> None:
    log = Log()
    intake = opened(log)
    log.error = OverloadedError("Too much.")
    future = intake.submit([level(1)])
    until(lambda: len(log.calls) > 3)
    assert not future.done()
    log.error = None
    assert future.result(10).rejected == 0


def test_closing_finishes_what_is_held_and_refuses_what_comes(opened: Open) -> None:
    log = Log(held=True)
    intake = opened(log)
    futures = [intake.submit([level(n)]) for n in range(10)]
    closing = threading.Thread(target=intake.close)
    closing.start()
    until(lambda: intake._closing)
    with pytest.raises(OverloadedError):
        intake.submit([level(1)])
    log.go.set()
    closing.join(10)
    assert [future.result(0).rejected for future in futures] == [0] * 10
    intake.close()


def test_a_cancelled_submission_is_not_written(opened: Open) -> None:
    log = Log(held=True)
    intake = opened(log)
    first = intake.submit([level(1)])
    until(lambda: len(log.calls) == 1)
    second, third = intake.submit([level(2)]), intake.submit([level(3)])
    if second.cancel():
        log.go.set()
        third.result(10)
        assert sorted(log.rows()["level"]) == [1.0, 3.0]
    assert first.result(10).rejected == 0


def test_its_status_counts(opened: Open) -> None:
    intake = opened(Log())
    intake.submit([level(1), level(2), b"?"], ids=["k"]).result(10)
    intake.submit([level(1), level(2), b"?"], ids=["k"]).result(10)
    status = intake.status()
    assert (status.name, status.kind, status.records, status.rejected) == ("plain", "feed", 2, 2)
    assert status.last_record == START


def test_rows_in_a_run_are_told_of_as_runs_to_each_caller() -> None:
    lines = [level(1), b"?", level(2), b"?", level(3), level(4)]
    converted = Converter(plain).lines(lines, START)
    places = pl.Series([1] * 4), pl.Series([10, 11, 12, 13])
    answers = receipts(converted, [3, 1, 2], Appended(*places, run=(1, 10)))
    assert [(each.appended.offsets.to_list(), each.appended.run) for each in answers] == [
        ([10, 11], (1, 10)),
        ([], None),
        ([12, 13], (1, 12)),
    ]


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.002)


broken = level(4).replace(b", ", b",\n", 1)
messages = st.sampled_from([level(1), level(2, "h"), level(101), b"", b"{}", b"[", level(3, "ü" * 70), broken])
submissions = st.lists(st.tuples(st.lists(messages, max_size=4), *[st.booleans()] * 2), min_size=1, max_size=12)


@given(submissions)
def test_merged_or_alone_each_gets_its_own_receipt(given_: list[tuple[list[bytes], bool, bool]]) -> None:
    """The same submissions one by one and all at once: same verdicts, same counts, rows where the receipts say."""
    assert b"\n" in broken
    given_ = [
        ([line for line in lines if line and line is not broken], a, b) if b else (lines, a, b)
        for lines, a, b in given_
    ]
    outcomes = []
    for merged in (False, True):
        log = Log(held=merged)
        intake = FeedIntake(plain, log, clock=ManualClock(START))
        futures = []
        for number, (lines, named, block) in enumerate(given_):
            ids = [f"id {number % 5}"] if named else None
            futures.append(intake.submit_block(b"\n".join(lines), ids=ids) if block else intake.submit(lines, ids=ids))
            if not merged:
                futures[-1].result(10)
        log.go.set()
        answers = [future.result(10) for future in futures]
        intake.close()
        stored = {(p, o): v for p, o, v in log.rows().select("_partition", "_offset", "level").rows()}
        for receipt, (lines, *_) in zip(answers, given_, strict=True):
            assert len(receipt.appended.offsets) + receipt.rejected == len(lines)
            places = list(zip(receipt.appended.partitions, receipt.appended.offsets, strict=True))
            assert sum(offset < 0 for _, offset in places) == receipt.appended.duplicates
            good = [line for n, line in enumerate(lines) if n not in {r.row for r in receipt.rejections}]
            for place, line in zip(places, good, strict=True):
                assert place[1] < 0 or f'"level": {stored[place]:g}'.encode() in line.replace(b"\n", b" ")
        outcomes.append([(r.rejections, r.appended.duplicates, len(r.appended.offsets)) for r in answers])
        assert log.refused().height <= sum(answer.rejected for answer in answers)
    assert outcomes[0] == outcomes[1]
