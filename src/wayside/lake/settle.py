"""Making a Delta commit survive a power cut, and cutting off what one has torn.

The Delta library writes its files without syncing them. `settle` does that after each commit, before the append
returns: first the data files, then the commit that names them. Should the power fail in between, the last commits
may name files that are empty or missing: `mend` sets those commits aside under another name, and whoever wrote them
sees the older version of its application transaction and writes them again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from wayside import metrics
from wayside.clock import Clock
from wayside.errors import CorruptDataError
from wayside.files import REAL, read_whole

log = logging.getLogger(__name__)

LOG = "_delta_log"
"""Folder of a table's commits."""
_CHECKED = 4
"""Commits that `mend` looks at, from the newest back. Each is made durable before the next begins, so that a power
cut can tear one; more than that is damage of another kind."""
_MAGIC = b"PAR1"


def commit_path(table: Path, version: int) -> Path:
    """The file of one commit."""
    return table / LOG / f"{version:020d}.json"


def settle(table: Path, version: int) -> None:
    """Make one commit durable: its data files, their folders, itself."""
    commit = commit_path(table, version)
    folders = set()
    for action in _actions(commit):
        if "add" in action:
            data = table / unquote(action["add"]["path"])
            _sync(data)
            folders.add(data.parent)
    for folder in sorted(folders):
        REAL.sync_folder(folder)
    if folders:
        REAL.sync_folder(table)
    _sync(commit)
    REAL.sync_folder(commit.parent)


def settle_checkpoint(table: Path, *, sync: bool = False) -> int:
    """The version of the last checkpoint of the log, or 0; with `sync`, made durable."""
    pointer = table / LOG / "_last_checkpoint"
    content = read_whole(REAL, pointer)
    if not content:
        return 0
    version = int(json.loads(content)["version"])
    if sync:
        for name in REAL.names(pointer.parent):
            if name.startswith(f"{version:020d}.checkpoint"):
                _sync(pointer.parent / name)
        _sync(pointer)
        REAL.sync_folder(pointer.parent)
    return version


def mend(table: Path, *, clock: Clock) -> None:
    """Set torn commits at the end of the log aside, and a torn checkpoint. Raises CorruptDataError for more damage."""
    folder = table / LOG
    versions = [int(name[:20]) for name in REAL.names(folder) if name.endswith(".json") and name[:20].isdigit()]
    _mend_checkpoint(folder, clock)
    removed: set[str] = set()
    torn = list(takewhile(lambda version: not _whole(table, version, removed), reversed(versions)))
    if len(torn) >= _CHECKED:
        raise CorruptDataError(
            "A table of the lake is damaged.",
            where=str(commit_path(table, torn[-1])),
            why="Commits that were made durable name data files that are missing or cut off.",
            next="Restore the files from a copy, or move the table's folder away to have it written again.",
        )
    for version in reversed(torn):
        set_aside(commit_path(table, version), clock, "it names data files that are missing or cut off")


def _mend_checkpoint(folder: Path, clock: Clock) -> None:
    """Set the checkpoint aside when it is torn."""
    pointer = folder / "_last_checkpoint"
    content = read_whole(REAL, pointer)
    if content is None:
        return
    try:
        version = int(json.loads(content)["version"])
    except (ValueError, KeyError, TypeError):
        set_aside(pointer, clock, "it is torn")
        return
    parts = [name for name in REAL.names(folder) if name.startswith(f"{version:020d}.checkpoint")]
    if parts and all(is_parquet(folder / name) for name in parts):
        return
    # The commits since the checkpoint before are still there: they are removed after this one was made durable.
    for name in [*parts, pointer.name]:
        set_aside(folder / name, clock, "it is torn")


def _whole(table: Path, version: int, removed: set[str]) -> bool:
    """Whether a commit can be read and every file that it added (and no later one removed) is there."""
    try:
        actions = list(_actions(commit_path(table, version)))
    except ValueError:
        return False
    removed |= {action["remove"]["path"] for action in actions if "remove" in action}
    return all(
        action["add"]["path"] in removed
        or is_parquet(table / unquote(action["add"]["path"]), size=action["add"]["size"])
        for action in actions
        if "add" in action
    )


def is_parquet(path: Path, *, size: int | None = None) -> bool:
    """Whether a file is there, has its size, and ends as Parquet does."""
    try:
        file = REAL.open(path)
    except FileNotFoundError:
        return False
    try:
        length = file.size()
        return length > 8 and size in (None, length) and file.read(4, length - 4) == _MAGIC
    finally:
        file.close()


def _actions(commit: Path) -> Iterator[dict[str, Any]]:
    content = read_whole(REAL, commit)
    if not content:
        raise ValueError(f"{commit} is empty")
    for line in content.splitlines():
        action = json.loads(line)
        if not isinstance(action, dict):
            raise ValueError(f"{commit} holds a line that is no action")
        yield action


def set_aside(path: Path, clock: Clock, why: str) -> None:
    """Give a damaged file a name under which nobody looks for it, and say so."""
    new = path.with_name(f"{path.name}.corrupt.{clock.now():%Y%m%dT%H%M%S%fZ}")
    metrics.damaged("lake")
    log.error("%s is kept as %s and not used: %s.", path, new.name, why)
    REAL.rename(path, new)
    REAL.sync_folder(path.parent)


def _sync(path: Path) -> None:
    file = REAL.open(path, write=True)
    try:
        file.sync()
    finally:
        file.close()
