"""What a source held is known after a restart: what has gone meanwhile leaves, and what is still there is not lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.unit.adapters.strangers import Kept, Stranger, until
from tests.unit.adapters.test_events import decode, event, streams, thing
from tests.unit.adapters.test_polling import good, read
from wayside.adapters import Change, EventStream, HttpPush, Polling
from wayside.adapters.entities import Entities, Moves
from wayside.adapters.events import EventsRunner
from wayside.adapters.handing import Handing
from wayside.adapters.holding import AGAIN, THINGS, Holding
from wayside.adapters.polling import PollingRunner
from wayside.adapters.running import Tally
from wayside.broker import EmbeddedBroker
from wayside.broker.memory import MemoryBroker
from wayside.clock import ManualClock
from wayside.domain import Domain, Topic
from wayside.ports import Broker
from wayside.record import Record
from wayside.runtime.trial import Trial

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def told(lines: Iterable[bytes]) -> list[tuple[str, bool]]:
    return [(message["id"], message["removed"]) for message in map(json.loads, lines)]


class Life:
    """One life of a source: what it is told, and what it hands over. `broken` as in `Kept`."""

    def __init__(self, broker: Broker, clock: ManualClock | None = None, *, broken: int = 0) -> None:
        self.kept = Kept(broken)
        self.entities = Entities(("id",), "at")
        self.handing = Handing(self.kept, Tally(), Holding(broker, "feed", clock or ManualClock(NOW)))  # type: ignore[arg-type]  # enough of an intake
        self.handing.begin(self.entities)

    def hears(self, kind: Any, *names: str, level: int = 1) -> list[tuple[str, bool]]:
        before = len(self.kept.lines)
        change = Change(kind, [{"id": name, "level": level} for name in names], NOW)
        self.handing.give(self.entities.apply(change, NOW), threading.Event())
        return told(self.kept.lines[before:])


def test_what_has_gone_meanwhile_leaves_and_what_is_there_is_told_again() -> None:
    broker = MemoryBroker()
    life = Life(broker)
    assert life.hears("reset", "a", "b", "c") == [("a", False), ("b", False), ("c", False)]
    assert life.hears("remove", "c") == [("c", True)]
    life = Life(broker)
    assert life.hears("reset", "b", "d") == [("b", False), ("d", False), ("a", True)]
    assert life.hears("reset", "b", "d") == []
    assert len(Life(broker).entities) == 2


def test_what_is_told_again_has_the_id_that_the_log_knows() -> None:
    broker = MemoryBroker()
    first = Life(broker)
    first.hears("reset", "a")
    second = Life(broker)
    second.hears("reset", "a")
    assert first.kept.ids == second.kept.ids


def test_a_removal_by_name_reaches_what_came_in_an_earlier_life() -> None:
    broker = MemoryBroker()
    Life(broker).hears("reset", "a", "b", level=7)
    life = Life(broker)
    assert life.hears("remove", "a") == [("a", True)]
    assert json.loads(life.kept.lines[-1])["level"] == 7, "the last message says what the first did"
    assert life.hears("remove", "a") == []


def test_a_crash_before_the_log_took_a_thing_loses_nothing() -> None:
    broker = MemoryBroker()
    life = Life(broker, broken=1)
    with pytest.raises(OSError, match="the log is down"):
        life.hears("reset", "a")
    assert life.kept.lines == []
    assert Life(broker).hears("reset", "a") == [("a", False)], "it is not taken for known"
    assert Life(broker).hears("reset") == [("a", True)]


def test_a_crash_before_a_leave_was_struck_out_repeats_the_leave() -> None:
    class Forgetful(MemoryBroker):
        full = False

        def append(self, topic: str, frame: Any, **more: Any) -> Any:
            if self.full and frame["message"].null_count():
                raise OSError("killed here")
            return super().append(topic, frame, **more)

    broker = Forgetful()
    life = Life(broker)
    life.hears("reset", "a")
    broker.full = True
    with pytest.raises(OSError, match="killed here"):
        life.hears("remove", "a")
    assert told(life.kept.lines) == [("a", False), ("a", True)]
    broker.full = False
    assert Life(broker).hears("reset") == [("a", True)]


def test_a_thing_that_comes_and_goes_within_one_hand_over_is_gone() -> None:
    moves = Moves()
    moves.come(("a",), {"id": "a"})
    moves.go(("a",))
    assert (list(moves.came), list(moves.went)) == ([("a",)], [("a",)]), "written down first, struck out last"
    moves.come(("a",), {"id": "a", "level": 2})
    assert (moves.came, moves.went) == ({("a",): {"id": "a", "level": 2}}, {})


def test_feeds_do_not_know_each_others_things() -> None:
    broker = MemoryBroker()
    other = Holding(broker, "other", ManualClock(NOW))
    other.load()
    other.came({("x",): {"id": "x"}})
    life = Life(broker)
    life.hears("reset", "a")
    assert Life(broker).hears("reset") == [("a", True)]
    assert Holding(broker, "other").load() == ({("x",): {"id": "x"}}, {})


def test_what_stays_long_is_written_down_again_before_the_log_forgets_it() -> None:
    broker, clock = MemoryBroker(), ManualClock(NOW)
    life = Life(broker, clock)
    life.hears("reset", "a", "b")
    life.hears("put", "c")
    assert broker.partitions(THINGS)[0].end == 3
    clock.advance(AGAIN / timedelta(seconds=1) + 1)
    life.hears("put", "d")
    assert broker.partitions(THINGS)[0].end == 7
    life.hears("put", "e")
    assert broker.partitions(THINGS)[0].end == 8


def test_it_outlives_the_log_on_disk(tmp_path: Path) -> None:
    first = EmbeddedBroker(tmp_path / "log")
    Life(first).hears("reset", "ä/1", "b")
    first.close()
    second = EmbeddedBroker(tmp_path / "log")
    assert Life(second).hears("reset", "b") == [("b", False), ("ä/1", True)]
    second.close()


def test_a_polled_source_goes_on_where_it_was() -> None:
    broker = MemoryBroker()
    with Stranger(good("a", "b"), good("b", "c")) as stranger:
        for number in (1, 2):
            kept = Kept()
            source = Polling(stranger.url, read, 300.0, ("id",))
            runner = PollingRunner(source, kept, "at", holding=Holding(broker, "feed"))  # type: ignore[arg-type]  # enough of an intake
            runner.start()
            until(lambda kept=kept, number=number: len(kept.lines) >= number + 1)
            runner.stop()
        assert told(kept.lines) == [("b", False), ("c", False), ("a", True)]


def test_a_stream_of_events_goes_on_where_it_was() -> None:
    broker = MemoryBroker()
    first = streams(event("reset", [thing("a"), thing("b")], id=1), event("put", thing("c")), hold=20)
    with Stranger(first, streams(event("reset", [thing("c")], id=7), hold=20)) as stranger:
        for expected in (3, 3):
            kept = Kept()
            source = EventStream(stranger.url, decode, ("id",))
            runner = EventsRunner(source, kept, "at", holding=Holding(broker, "feed"))  # type: ignore[arg-type]  # enough of an intake
            runner.start()
            until(lambda kept=kept, expected=expected: len(kept.lines) >= expected)
            runner.stop()
        assert told(kept.lines) == [("c", False), ("a", True), ("b", True)]
        assert "last-event-id" not in stranger.asked[1][1], "a new life begins with everything"


class Gauge(Record, key="id", time="at"):
    """The level of a gauge, or that it is gone."""

    id: str
    at: datetime
    level: int
    removed: bool


def present(trial: Trial, *changes: Change) -> list[list[str]]:
    """A life of a source over a whole plan: what its table holds after each change, a second apart."""
    entities, stopping = Entities(("id",), "at"), threading.Event()
    handing = Handing(trial.intakes["gauged"], Tally(), Holding(trial.broker, "gauged", trial.clock))
    handing.begin(entities)
    found = []
    for change in changes:
        assert isinstance(trial.clock, ManualClock)
        trial.clock.advance(1)
        handing.give(entities.apply(change, trial.clock.now()), stopping)
        trial.engine.drain()
        found.append(trial.table("gauges")["id"].to_list())
    return found


@pytest.mark.parametrize("own", [True, False], ids=["with a time of its own", "without"])
def test_a_thing_that_comes_again_as_it_was_is_there_again(own: bool) -> None:
    """A server may forget a thing for a moment. Its time has not changed meanwhile, and the log knows its words."""
    gauges = Topic("levels", Gauge)
    table = gauges.table("gauges", deleted=pl.col("removed"))
    gauges.feed("gauged", HttpPush())
    trial = Trial(Domain("gauges", "Gauges", [table]), clock=ManualClock(NOW + timedelta(hours=1)))
    one = {"id": "a", "level": 1, **({"at": NOW} if own else {})}
    here, away = Change("reset", [one]), Change("reset", [])
    assert present(trial, here, away, here, away, here) == [["a"], [], ["a"], [], ["a"]]
    assert present(trial, here, away) == [["a"], []]
    assert present(trial, away, here, here) == [[], ["a"], ["a"]]
    assert present(trial, here, away, here) == [["a"], [], ["a"]]
    batch = trial.broker.read("levels", 0, 0)
    assert batch is not None
    told = batch.frame["removed"].to_list()
    # Without a time of its own a thing has that of its receipt, so that each life tells of it anew.
    assert told == [False, True, False, True, False, *([] if own else [False]), True, False,
                    *([] if own else [False]), True, False]  # fmt: skip
