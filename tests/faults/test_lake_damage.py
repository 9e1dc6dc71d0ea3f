"""What a power cut leaves of files that were not synced, and what a full disk does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from wayside.errors import CorruptDataError, StorageFailedError
from wayside.files import REAL
from wayside.lake import settle, upkeep
from wayside.lake.delta import DeltaLake

pytestmark = pytest.mark.faults

VERSIONS = 6


@pytest.fixture
def table(tmp_path: Path) -> Path:
    lake = DeltaLake(tmp_path)
    for version in range(VERSIONS):
        append(lake, version)
    return tmp_path / "silver" / "x"


def append(lake: DeltaLake, version: int) -> None:
    lake.append("silver", "x", pl.DataFrame({"n": [version]}), app="app", version=version)


def data_of(table: Path, version: int) -> Path:
    actions = [json.loads(line) for line in settle.commit_path(table, version).read_text().splitlines()]
    return table / next(action["add"]["path"] for action in actions if "add" in action)


def numbers(lake: DeltaLake) -> list[int]:
    return sorted(lake.scan("silver", "x").collect()["n"].to_list())


def empty(path: Path) -> None:
    os.truncate(path, 0)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 3)


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


DAMAGES: list[Callable[[Path], None]] = [empty, cut, zeros, Path.unlink]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("what", ["data", "commit"])
def test_a_torn_append_is_set_aside_and_comes_again(
    table: Path, damage: Callable[[Path], None], what: str, caplog: pytest.LogCaptureFixture
) -> None:
    last = VERSIONS - 1
    damage(data_of(table, last) if what == "data" else settle.commit_path(table, last))
    lake = DeltaLake(table.parents[1])
    assert lake.version("silver", "x", "app") == last - 1
    assert numbers(lake) == list(range(last))
    append(lake, last)
    append(lake, last)
    append(lake, last + 1)
    assert numbers(lake) == list(range(last + 2))
    if not (what == "commit" and damage is Path.unlink):
        assert "not used" in caplog.text
        assert [name for name in os.listdir(table / "_delta_log") if ".corrupt." in name]


def test_a_table_whose_first_append_was_torn(tmp_path: Path) -> None:
    lake = DeltaLake(tmp_path)
    append(lake, 0)
    empty(data_of(tmp_path / "silver" / "x", 0))
    again = DeltaLake(tmp_path)
    assert again.version("silver", "x", "app") == -1
    append(again, 0)
    assert numbers(again) == [0]


@pytest.mark.parametrize("damage", [empty, cut])
@pytest.mark.parametrize("what", ["pointer", "checkpoint"])
def test_a_torn_checkpoint_is_done_without(table: Path, damage: Callable[[Path], None], what: str) -> None:
    lake = DeltaLake(table.parents[1])
    for version in range(VERSIONS, upkeep.CHECKPOINT_EVERY + 2):
        append(lake, version)
    lake.maintain(keep=timedelta(days=1))
    folder = table / "_delta_log"
    checkpoint = next(name for name in os.listdir(folder) if name.endswith(".checkpoint.parquet"))
    damage(folder / ("_last_checkpoint" if what == "pointer" else checkpoint))
    again = DeltaLake(table.parents[1])
    assert numbers(again) == list(range(upkeep.CHECKPOINT_EVERY + 2))
    append(again, upkeep.CHECKPOINT_EVERY + 2)
    assert again.version("silver", "x", "app") == upkeep.CHECKPOINT_EVERY + 2


@pytest.mark.parametrize("damage", [empty, cut, Path.unlink])
def test_old_damage_is_set_aside_and_the_rest_is_served(
    table: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    damaged = data_of(table, 2)
    damage(damaged)
    lake = DeltaLake(table.parents[1])
    assert lake.version("silver", "x", "app") == VERSIONS - 1, "no later commit is touched"
    assert "1 rows of the lake" in caplog.text
    assert numbers(lake) == [n for n in range(VERSIONS) if n != 2]
    assert damage is Path.unlink or [name for name in os.listdir(damaged.parent) if ".corrupt." in name]
    damage(data_of(table, 3))
    lake.maintain(keep=timedelta(days=1))
    assert numbers(lake) == [n for n in range(VERSIONS) if n not in (2, 3)], "and so it is while running"


def test_much_damage_is_told_and_nothing_is_cut_off(table: Path) -> None:
    for version in range(VERSIONS):
        empty(data_of(table, version))
    with pytest.raises(CorruptDataError, match="damaged"):
        DeltaLake(table.parents[1]).version("silver", "x", "app")
    assert all(settle.commit_path(table, version).exists() for version in range(VERSIONS))


def test_readers_of_another_process_change_nothing(table: Path) -> None:
    before = sorted(table.rglob("*"))
    reader = DeltaLake(table.parents[1], read_only=True)
    assert numbers(reader) == list(range(VERSIONS))
    assert reader.version("silver", "x", "app") == VERSIONS - 1
    with pytest.raises(StorageFailedError, match="reading only"):
        append(reader, VERSIONS)
    assert sorted(table.rglob("*")) == before


def test_every_append_is_synced_before_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    folders: list[Path] = []
    sync, sync_folder = settle._sync, REAL.sync_folder
    monkeypatch.setattr(settle, "_sync", lambda path: (sync(path), synced.append(path)))
    monkeypatch.setattr(REAL, "sync_folder", lambda folder: (sync_folder(folder), folders.append(folder)))
    append(DeltaLake(tmp_path), 0)
    table = tmp_path / "silver" / "x"
    data, commit = data_of(table, 0), settle.commit_path(table, 0)
    assert synced == [data, commit], "the data before the commit that names it"
    assert {data.parent, commit.parent, table} <= set(folders)


def test_a_full_disk(tmp_path: Path) -> None:
    script = LIMITED.format(root=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {"failed": True, "versions": [0, 1], "rows": 200_001}


LIMITED = """
import json, resource
from pathlib import Path
import polars as pl
from wayside.errors import StorageFailedError
from wayside.lake.delta import DeltaLake

lake = DeltaLake(Path({root!r}))
lake.append("silver", "x", pl.DataFrame({{"n": [0]}}), app="app", version=0)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
rows = pl.DataFrame({{"n": pl.int_range(200_000, eager=True).shuffle(seed=1)}})
try:
    lake.append("silver", "x", rows, app="app", version=1)
    failed = False
except StorageFailedError:
    failed = True
versions = [lake.version("silver", "x", "app")]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
lake.append("silver", "x", rows, app="app", version=1)
versions.append(lake.version("silver", "x", "app"))
found = lake.scan("silver", "x").select(pl.len()).collect().item()
print(json.dumps(dict(failed=failed, versions=versions, rows=found)))
"""
