from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from unit.runtime.world import Reading, reading, settings, world
from wayside.adapters import HttpPush
from wayside.domain import Chore, Domain, Topic
from wayside.errors import DataFolderLockedError, DeclarationError, StorageFailedError, WaysideError
from wayside.hot.repair import set_aside
from wayside.runtime.background import Ticker
from wayside.runtime.chosen import chosen_plan, feed_named, plan_of
from wayside.runtime.folder import FORMAT, Folder, empty, hold
from wayside.runtime.parts import store_of
from wayside.runtime.rebuild import computed, do_chores
from wayside.runtime.service import Service
from wayside.runtime.troubles import Troubles


def soon(found: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not found():
        assert time.monotonic() < end
        time.sleep(0.01)


def pushed(service: Service, *messages: dict[str, object]) -> None:
    service.intakes["wells_push"].submit([json.dumps(message).encode() for message in messages]).result()
    ends = {("wells_readings", info.partition): info.end for info in service.broker.partitions("wells_readings")}
    soon(lambda: (at := service.store.checkpoint("engine")) is not None and at.positions == ends)


def test_a_service_takes_computes_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    plan = plan_of([world()])
    for turn in range(2):
        with Service(plan, settings(tmp_path)) as service:
            assert service.readiness() == ["The engine is recovering its state from the log."]
            service.start()
            soon(lambda: service.readiness() == [])
            pushed(service, reading(60 * turn, 1.0), reading(60 * turn + 1, 3.0))
            assert service.store.table("wells_latest")["level"].to_list() == [3.0]
    assert Folder(tmp_path / "data").format() == FORMAT
    with Service(plan, settings(tmp_path)) as service:
        rows = service.store.table("wells_high_latest")
        assert rows["level"].to_list() == [3.0]
        assert {node.name: node.records for node in service.nodes()}["wells_readings"] == 0  # not recovered yet
        service.start()
        soon(lambda: service.readiness() == [])
        assert {node.name: node.records for node in service.nodes()}["wells_readings"] == 4


def test_a_failed_start_is_told_and_leaves_the_folder_free(tmp_path: Path) -> None:
    plan = plan_of([world()])
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "wayside.json").write_text('{"format": 99}')
    with pytest.raises(StorageFailedError, match="format 99"), Service(plan, settings(tmp_path)):
        raise AssertionError("must not open")
    (tmp_path / "data" / "wayside.json").unlink()
    with Service(plan, settings(tmp_path)), pytest.raises(DataFolderLockedError), hold(tmp_path / "data"):
        raise AssertionError("must not be free")
    with hold(tmp_path / "data"):
        pass


def test_an_engine_that_cannot_start_is_a_failure_of_the_service(tmp_path: Path) -> None:
    with Service(plan_of([world()]), settings(tmp_path)) as service:
        service.store.close()  # as a disk that went away would
        service.start()
        soon(lambda: service.failure() is not None)
        assert service.readiness() != []
        assert any("process ends" in trouble.next for trouble in Troubles(service).now())
        service.started = False


def test_troubles_keep_the_time_since_when_they_last(tmp_path: Path) -> None:
    with Service(plan_of([world()]), settings(tmp_path)) as service:
        assert Troubles(service).now() == []
        ticker = Ticker("lake", 60, lambda: 1 / 0)
        service.tickers.append(ticker)
        ticker.turn()
        troubles = Troubles(service)
        (first,) = troubles.now()
        assert first.what == "The lake work fails: division by zero"
        (second,) = troubles.now()
        assert second.since == first.since
        ticker.work = lambda: None
        ticker.turn()
        assert troubles.now() == []


def test_a_ticker_that_fails_is_tried_again_soon_then_ever_more_rarely() -> None:
    ticker = Ticker("x", 300, lambda: 1 / 0, at_once=True, retry=60)
    pauses = []
    for _ in range(4):
        ticker.turn()
        pauses.append(ticker._pause())
    ticker.work = lambda: None
    ticker.turn()
    assert [*pauses, ticker._pause()] == [60, 120, 240, 300, 300]
    assert ticker.done.is_set()


def test_chores_are_done_before_anything_is_computed_and_what_fails_is_told(tmp_path: Path) -> None:
    done: list[tuple[str, Path]] = []

    def good(folder: Path) -> None:
        done.append(("computed" if service.recovered.is_set() else "first", folder))

    def bad(folder: Path) -> None:
        raise WaysideError("The stars are not right.")

    domain = replace(world(), chores=[Chore("look", "200ms", good), Chore("wish", "1h", bad)])
    with Service(plan_of([domain]), settings(tmp_path)) as service:
        service.start()
        soon(lambda: service.readiness() == [])
        assert done[0] == ("first", tmp_path / "data" / "domains" / domain.name)
        soon(lambda: len(done) > 2)
        (told,) = Troubles(service).now()
        assert told.what == f"The {domain.name}: wish work fails: The stars are not right."


def test_a_rebuild_does_the_chores_first(tmp_path: Path) -> None:
    seen: list[Path] = []

    def fails(folder: Path) -> None:
        seen.append(folder)
        raise WaysideError("Nobody answers.")

    domain = replace(world(), chores=[Chore("look", "1h", fails)])
    with hold(tmp_path / "data") as folder:
        do_chores(plan_of([domain]), folder)
    assert seen == [tmp_path / "data" / "domains" / domain.name]


def test_a_rebuild_gives_the_same_rows_and_keeps_the_old_store(tmp_path: Path) -> None:
    plan = plan_of([world()])
    with Service(plan, settings(tmp_path)) as service:
        service.start()
        soon(lambda: service.readiness() == [])
        pushed(service, *(reading(second, second / 10) for second in range(45)))
        soon(lambda: windows(service).height == 4)
        before = service.store.table("wells_latest"), windows(service)
    with hold(tmp_path / "data") as folder:
        kept = set_aside(folder.hot, why="replaced")
        from wayside.broker import EmbeddedBroker

        broker = EmbeddedBroker(folder.log)
        store = store_of(settings(tmp_path), plan, folder)
        done = computed(plan, broker, store, str(kept))
        store.close()
        broker.close()
    assert kept is not None
    assert kept.is_file()
    assert (done.records, done.windows) == (45, before[1].height)
    with Service(plan, settings(tmp_path)) as service:
        assert service.store.table("wells_latest").equals(before[0])
        assert windows(service).drop("_seq", strict=False).equals(before[1].drop("_seq", strict=False))


def windows(service: Service) -> pl.DataFrame:
    return service.store.windows_after("wells_rollup", 0)[1].sort("window_start", "station")


def test_emptying_a_folder_removes_only_what_is_ours(tmp_path: Path) -> None:
    (tmp_path / "log" / "x").mkdir(parents=True)
    (tmp_path / "theirs.txt").write_text("kept")
    empty(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["theirs.txt"]


def test_a_folder_that_cannot_be_made_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailedError, match="cannot be used") as caught, hold(tmp_path / "file" / "data"):
        raise AssertionError("must not open")
    assert "--data-dir" in caught.value.next


def test_a_feed_may_not_take_a_topics_name() -> None:
    topic = Topic("levels", Reading)
    topic.feed("levels", HttpPush())
    with pytest.raises(DeclarationError, match="name of the topic 'levels'"):
        plan_of([Domain("d", "D", flow=(topic.table("t"),))])


def test_a_feed_is_found_by_its_name_or_its_topics() -> None:
    plan = plan_of([world()])
    assert feed_named(plan, "wells_push").name == "wells_push"
    assert feed_named(plan, "wells_readings").wire is Reading
    with pytest.raises(Exception, match="no feed 'wells_psh'") as caught:
        feed_named(plan, "wells_psh")
    assert "wells_push" in str(caught.value)
    assert chosen_plan(["devices"]).domains[0].name == "devices"
