"""One machine with the log's disk and the store's under one power switch, and a day of work on it.

Calls of both disks are counted together, so that a fault can strike between a write of the log and the commit of the
store that reads it.
"""

from __future__ import annotations

import random
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import polars as pl

from tests.faults.disk import Fault, PowerCutError, SimulatedDisk
from tests.faults.hot_disk import Disk
from tests.faults.hot_disk import PowerCutError as StorePowerCutError
from tests.properties import oracle
from tests.properties.harness import BASE, DELETE, SECOND, START, Event, cells
from wayside.broker import EmbeddedBroker
from wayside.clock import ManualClock
from wayside.dataflow import EmbeddedEngine
from wayside.domain import Domain, Plan, Topic, count, maximum, mean, minimum, total
from wayside.errors import DiskFullError, StorageFailedError, WaysideError
from wayside.hot.sqlite import SqliteStore
from wayside.quarantine import SPEC as QUARANTINE
from wayside.specs import TIME

FOLDER = Path("/log")
POISON = 13.0
LATENESS = 2
STORE_ERRORS: dict[str, tuple[type[apsw.Error], int]] = {
    "write": (apsw.IOError, apsw.SQLITE_IOERR_WRITE),
    "sync": (apsw.IOError, apsw.SQLITE_IOERR_FSYNC),
    "truncate": (apsw.IOError, apsw.SQLITE_IOERR_TRUNCATE),
}


class LogDisk(SimulatedDisk):
    """The log's disk as a part of the machine."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine = machine

    def call(self, name: str) -> Any:
        if self.powered and self.machine.turn(f"log: {name}"):
            self.fault = Fault(len(self.calls) + 1, self.machine.fault.kind)  # type: ignore[union-attr]  # its turn
        try:
            return super().call(name)
        finally:
            if not self.powered:
                self.machine.cut()


class StoreDisk(Disk):
    """The store's disk as a part of the machine."""

    machine: Machine

    def call(self, kind: str) -> None:
        if self.off:
            raise apsw.IOError("the machine is off")
        if not self.machine.turn(f"store: {kind}"):
            return
        fault = self.machine.fault
        assert fault is not None
        if fault.kind == "crash":
            self.machine.cut()
            raise StorePowerCutError
        full = kind == "write" and fault.kind in ("ENOSPC", "short")
        error, extended = (apsw.FullError, apsw.SQLITE_FULL) if full else STORE_ERRORS[kind]
        raised = error("failed on purpose")
        raised.extendedresult = extended
        raise raised


class Machine:
    """Two disks and the number of calls made to them; `fault` strikes at one of these."""

    def __init__(self, folder: Path, fault: Fault | None = None) -> None:
        self.fault = fault
        self.calls: list[str] = []
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.log: SimulatedDisk = LogDisk(self)
        self.store = StoreDisk()
        self.store.machine = self

    def turn(self, name: str) -> bool:
        self.calls.append(name)
        return self.fault is not None and len(self.calls) == self.fault.at

    def cut(self) -> None:
        """The power goes for both."""
        self.store.off = True
        self.log.powered = False

    @property
    def path(self) -> Path:
        """The store's file."""
        return self.folder / "hot.db"

    def after_kill(self, folder: Path) -> Machine:
        """What the next process finds when only the last one died."""
        shutil.copytree(self.folder, folder)
        return self._healthy(folder, self.log.after_kill())

    def after_crash(self, folder: Path, seed: int) -> Machine:
        """What the next process may find when the power was cut."""
        folder.mkdir()
        self.store.survivors(random.Random(seed), folder)
        return self._healthy(folder, self.log.after_crash(seed))

    def _healthy(self, folder: Path, log: SimulatedDisk) -> Machine:
        machine = Machine(folder)
        machine.log = log
        return machine


@dataclass
class Told:
    """Ids that were acknowledged with their values, and that were offered."""

    acknowledged: dict[str, float] = field(default_factory=dict)
    offered: dict[str, float] = field(default_factory=dict)


def refusing(rows: pl.LazyFrame) -> pl.LazyFrame:
    """A step of a stream that fails for one value, as users' code may."""

    def judge(value: pl.Series) -> pl.Series:
        if (value == POISON).any():
            raise ValueError("thirteen")
        return value

    return rows.with_columns(pl.col("value").map_batches(judge, return_dtype=pl.Float64))


def plan() -> Plan:
    """A topic of two partitions, a stream that refuses a value, a window behind it and a table."""
    events = Topic("events", Event, partitions=2)
    parts = {"rows": count(), "average": mean("value"), "sum": total("value")}
    window = events.stream("kept", into=Event, transform=refusing).window(
        "spans",
        by=["key"],
        every="10s",
        lateness=timedelta(seconds=LATENESS),
        idle="1h",
        low=minimum("value"),
        high=maximum("value"),
        **parts,
    )
    return Plan.of([Domain("test", "Test", [window, events.table("newest", by=["key"])])])


class Worker:
    """Log, store and engine on a machine, in one process."""

    def __init__(self, machine: Machine, clock: ManualClock) -> None:
        self.plan = plan()
        self.clock = clock
        self.broker = EmbeddedBroker(FOLDER, clock=clock, files=machine.log, segment_bytes=2500, gather=0.0)
        for spec in (self.plan.topics["events"].spec, QUARANTINE):
            self.broker.create(spec)
        self.store = SqliteStore(machine.path, clock=clock, vfs=machine.store.vfs)
        writer = self.store._writer
        assert writer is not None
        writer.pragma("wal_autocheckpoint", 20)
        self.store.ensure(
            [table.spec for table in self.plan.tables.values()], [window.spec for window in self.plan.windows.values()]
        )
        self.engine = EmbeddedEngine(self.plan, self.broker, self.store, clock=clock, max_rows=7)
        # Small states are saved at each commit; here only at every third, so that starts have rows to run again.
        self.engine._snapshot_due = lambda _: self.engine.sequence % 3 == 0  # type: ignore[method-assign]  # as above
        self.engine.recover()

    def append(self, told: Told, numbers: range) -> None:
        """One append with ids; the same numbers are always the same records. Raises WaysideError."""
        rows = [event(number) for number in numbers]
        ids = [f"id{number}" for number in numbers]
        told.offered |= dict(zip(ids, (value for _, _, value in rows), strict=True))
        frame = pl.DataFrame(
            rows, schema={"key": pl.String, "at": pl.Int64, "value": pl.Float64}, orient="row"
        ).with_columns(pl.col("at").cast(TIME))
        self.broker.append("events", frame, ids=pl.Series(ids)).result(timeout=30)
        told.acknowledged |= dict(zip(ids, (value for _, _, value in rows), strict=True))

    def steps(self) -> None:
        """Step until there is nothing to do, as the engine's own loop does. Raises StorageFailedError."""
        for _ in range(50):
            try:
                if not self.engine.step():
                    return
            except Exception as error:
                if isinstance(error, StorageFailedError) and not isinstance(error, DiskFullError):
                    raise
                self.engine.recover()
        raise AssertionError("the engine does not come to rest")

    def close(self) -> None:
        self.broker.close()
        self.store.close()


def event(number: int) -> tuple[str, int, float]:
    """A record: time goes on, now and then it is late, one in 23 is refused by the stream."""
    late = 25 if number % 11 == 5 else 0
    value = POISON if number % 23 == 9 else number + 0.5
    return f"k{number % 5}", BASE + (number - late) * SECOND, value


def work(machine: Machine, told: Told) -> None:
    """A day: appends, steps, compactions, a clean end, a second start. Ends early where a process would."""
    clock = ManualClock(START + timedelta(days=1))
    worker: Worker | None = None
    with suppress(WaysideError, PowerCutError, StorePowerCutError, apsw.Error):
        worker = Worker(machine, clock)
        for turn in range(12):
            offer(worker, told, range(10 * turn, 10 * turn + 10))
            worker.steps()
            clock.advance(1.0)
            if turn % 4 == 3:
                offer(worker, told, range(10 * turn - 5, 10 * turn + 10))  # all of them again
                maintain(worker)
        worker.engine.stop()
        worker.close()
        worker = Worker(machine, clock)
        offer(worker, told, range(120, 130))
        worker.steps()
    if worker is not None:
        with suppress(WaysideError, PowerCutError, StorePowerCutError, apsw.Error, OSError):
            worker.close()


def offer(worker: Worker, told: Told, numbers: range) -> None:
    """A full disk refuses, and its client tries once more."""
    try:
        worker.append(told, numbers)
    except DiskFullError:
        worker.append(told, numbers)


def maintain(worker: Worker) -> None:
    """What runs beside the engine; a full disk puts it off."""
    with suppress(DiskFullError):
        worker.broker.maintain()
    with suppress(DiskFullError):
        worker.store.compact()


def verify(machine: Machine, told: Told) -> None:
    """A new process on what is left: nothing acknowledged is lost, everything counts once. Then it goes on."""
    worker = Worker(machine, ManualClock(START + timedelta(days=2)))
    assert worker.broker.damage.entries() == [], worker.broker.damage.entries()
    assert not worker.store.rebuilt
    worker.steps()
    check(worker, told)
    again = sorted(int(name.removeprefix("id")) for name in told.offered)
    worker.append(told, range(again[-1] + 1 if again else 10))  # every client that got no answer
    worker.append(told, range(200, 215))
    worker.steps()
    check(worker, told)
    assert len(told.acknowledged) == len(told.offered)
    worker.close()


def check(worker: Worker, told: Told) -> None:
    """I1, I2, I3 for a worker that has come to rest."""
    rows = contents(worker)
    values = [row.value for row in rows]
    wanted = {value for value in told.acknowledged.values() if value != POISON}
    assert wanted <= set(values), "an acknowledged record is lost"
    assert set(values) <= set(told.offered.values())
    plain = [value for value in values if value != POISON]
    assert len(plain) == len(set(plain)), "a record is there twice"
    check_results(worker, rows)


def check_results(worker: Worker, rows: list[oracle.Row]) -> None:
    """Windows, late rows, table and quarantine are what the oracle makes of the log."""
    kept = [row for row in rows if row.value != POISON]
    answer = oracle.spans(kept, size=10 * SECOND, every=10 * SECOND, lateness=LATENESS * SECOND, partitions=2)
    span = (START - timedelta(days=1), START + timedelta(days=1))
    assert cells(worker.store.windows("spans", *span)) == answer.closed
    assert cells(worker.engine.open_windows("spans")) == answer.open
    late = worker.store.late("spans", limit=10_000)
    places = zip(late["_partition"], late["key"], late["at"].to_physical(), strict=True)
    assert sorted(zip(places, late["_offset"], strict=True)) == sorted(answer.late)
    newest = oracle.latest(rows, {DELETE})
    table = worker.store.table("newest", limit=100)
    assert dict(zip(table["key"], table["value"], strict=True)) == {key: row.value for key, row in newest.items()}
    refused = worker.broker.read(QUARANTINE.name, 0, 0)
    number = 0 if refused is None else refused.frame.height
    assert number == len(rows) - len(kept), "a refused record is in quarantine twice, or not at all"


def contents(worker: Worker) -> list[oracle.Row]:
    """Every row of the log."""
    found = []
    for info in worker.broker.partitions("events"):
        offset = info.start
        while (batch := worker.broker.read("events", info.partition, offset)) is not None:
            at = batch.frame["at"].to_physical()
            appended = BASE + 86_400 * SECOND
            places = range(batch.first, batch.next) if batch.offsets is None else batch.offsets
            for key, time, value, place in zip(batch.frame["key"], at, batch.frame["value"], places, strict=True):
                found.append(oracle.Row(info.partition, key, time, value, appended, place))
            offset = batch.next
        assert offset == info.end, "a hole in the log"
    return found
