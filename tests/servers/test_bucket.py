"""A lake in a bucket: what goes wrong there, and a whole Wayside that writes one."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from tests.unit.runtime.world import reading, settings, world
from wayside.errors import StorageFailedError, UnavailableError, WaysideError
from wayside.lake.bucket import Bucket
from wayside.lake.delta import DeltaLake
from wayside.lake.query import Sources, sql
from wayside.runtime.chosen import plan_of
from wayside.runtime.folder import Folder
from wayside.runtime.parts import lake_of
from wayside.runtime.service import Service

if TYPE_CHECKING:
    from cluster.objects import ObjectStore

pytestmark = pytest.mark.servers


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[ObjectStore]:
    """Storage of its own, to be stopped."""
    from cluster.objects import ObjectStore, missing

    if reason := missing():
        pytest.skip(f"tier servers: {reason}")
    store = ObjectStore.start(tmp_path / "objects")
    yield store
    store.process.send(signal.SIGCONT)
    store.stop()


def put(lake: DeltaLake, version: int, *numbers: int) -> None:
    lake.append("silver", "x", pl.DataFrame({"n": numbers}), app="app", version=version)


def numbers(lake: DeltaLake) -> list[int]:
    return sorted(lake.scan("silver", "x").collect()["n"].to_list())


def test_storage_that_is_away_is_told_and_written_to_when_it_is_back(objects: ObjectStore, tmp_path: Path) -> None:
    from cluster.objects import ObjectStore

    lake = DeltaLake(Bucket(objects.make("lake"), objects.config))
    put(lake, 1, 1)
    fresh = DeltaLake(Bucket("s3://lake", objects.config))
    objects.stop()
    for ask in (lambda: put(lake, 2, 2), lambda: fresh.version("silver", "x", "app"), fresh.tables):
        with pytest.raises(UnavailableError, match="storage of the lake"):
            ask()
    # moto's memory is gone with it, so what is back is empty; that the lake asks again is what counts.
    other = ObjectStore.start(tmp_path / "again", port=int(objects.endpoint.rpartition(":")[2]))
    try:
        other.make("lake")
        assert fresh.version("silver", "x", "app") == -1
        put(fresh, 1, 7)
        assert numbers(fresh) == [7]
    finally:
        other.stop()


def test_frozen_storage_is_not_waited_for_without_end(objects: ObjectStore) -> None:
    quick = Bucket(objects.make("lake"), objects.config, timeout=timedelta(seconds=1))
    lake = DeltaLake(quick)
    put(lake, 1, 1)
    objects.process.send(signal.SIGSTOP)
    with pytest.raises(UnavailableError):
        put(lake, 2, 2)
    objects.process.send(signal.SIGCONT)
    put(lake, 2, 2)
    assert numbers(lake) == [1, 2]


def test_two_writers_of_one_version_write_it_once(objects: ObjectStore) -> None:
    place = Bucket(objects.make("lake"), objects.config)
    lakes = [DeltaLake(place), DeltaLake(place)]
    put(lakes[0], 0, 0)
    for version in range(1, 6):
        gate = threading.Barrier(2)

        def write(lake: DeltaLake, version: int = version, gate: threading.Barrier = gate) -> None:
            gate.wait()
            try:
                put(lake, version, version)
            except (StorageFailedError, UnavailableError):
                put(lake, version, version)  # as the next round of the lake's writer does

        threads = [threading.Thread(target=write, args=(lake,)) for lake in lakes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert numbers(lakes[0]) == list(range(6))


def test_an_object_that_is_lost_is_left_out(objects: ObjectStore) -> None:
    from deltalake import DeltaTable
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import PyFileSystem

    place = Bucket(objects.make("lake"), objects.config)
    lake = DeltaLake(place)
    put(lake, 1, 1)
    put(lake, 2, 2)
    table = place.table("silver", "x")
    lost = next(path for path in DeltaTable(table.uri, storage_options=table.options).file_uris())
    PyFileSystem(DeltaStorageHandler("s3://lake", table.options)).delete_file(lost.removeprefix("s3://lake/"))
    lake.maintain(keep=timedelta(days=1))
    assert len(numbers(lake)) == 1
    put(lake, 3, 3)
    assert len(numbers(lake)) == 2


def test_a_wayside_keeps_its_lake_in_a_bucket(objects: ObjectStore, tmp_path: Path) -> None:
    plan = plan_of([world()])
    chosen = settings(tmp_path, lake=True, lake_url=objects.make("lake") + "/wells/", lake_config=objects.config)
    with Service(plan, chosen) as service:
        service.start()
        lines = [json.dumps(reading(second, float(second))).encode() for second in range(60)]
        service.intakes["wells_push"].submit(lines).result()
        until = time.monotonic() + 60
        while service.store.windows_after("wells_rollup", -1)[0] < 1:
            assert time.monotonic() < until
            time.sleep(0.02)
        assert service.write_lake() > 60
        assert service.write_lake() == 0
    assert not (tmp_path / "data" / "lake").exists()
    lake = lake_of(chosen, Folder(tmp_path / "data"), read_only=True)
    found = sql("SELECT count(*), sum(level) FROM bronze.wells_readings", Sources(lake))
    assert found.rows() == [(60, 1770.0)]
    assert ("gold", "wells_rollup") in lake.tables()
    with pytest.raises(WaysideError, match="reading only"):
        put(lake, 1, 1)
