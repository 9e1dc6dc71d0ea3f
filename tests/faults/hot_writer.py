"""A process that commits numbered batches until it is killed, and says which it was told are durable."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from tests.unit.hot.samples import TABLE, WINDOW, closed, late_rows, row, table_rows
from wayside.hot.sqlite import SqliteStore
from wayside.values import Checkpoint

THINGS = [f"thing-{number:02d}" for number in range(20)]


def main(path: Path) -> None:
    """Go on after the last commit; one line per acknowledged commit."""
    store = SqliteStore(path)
    store.ensure([TABLE], [WINDOW])
    assert store._writer is not None
    store._writer.pragma("wal_autocheckpoint", 50)
    threading.Thread(target=compact, args=[store], daemon=True).start()
    found = store.checkpoint("engine")
    number = found.sequence if found else 0
    print("ready", number, flush=True)
    while True:
        number += 1
        with store.transaction() as change:
            change.upsert("latest", table_rows(*(row(thing, number, number, value=number) for thing in THINGS)))
            change.append_windows("rollup", closed(10 * number, *THINGS, rows=number))
            change.append_late("rollup", late_rows(number))
            change.save("engine", Checkpoint({("input", 0): number}, number, state={"s": str(number).encode() * 500}))
        print(number, flush=True)


def compact(store: SqliteStore) -> None:
    """Merge all the time, so that kills meet it."""
    while True:
        store.compact()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
