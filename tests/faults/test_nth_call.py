"""T-C3 over log, engine and store together: each call to either disk fails once in every way, or is the last one.

What each part does alone is in test_log_* and test_hot_*; here the question is whether they agree afterwards.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.disk import Fault, FaultKind
from tests.faults.machine import Machine, Told, verify, work

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(900),
    # SQLite closes its files after the machine has stopped, and has nobody to tell.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
KINDS: tuple[FaultKind, ...] = ("EIO", "ENOSPC", "short", "crash")
SAMPLE = {"EIO": 10, "ENOSPC": 10, "short": 6, "crash": 24}
"""How many of the calls are tried in the tier that CI runs; all of them in the slow one."""


def number_of_calls(folder: Path) -> int:
    machine, told = Machine(folder), Told()
    work(machine, told)
    assert len(told.acknowledged) == 130
    calls = machine.calls
    assert {"log: sync mark", "log: write mark", "store: write", "store: sync"} <= set(calls)
    verify(machine.after_kill(folder.with_name("clean")), told)
    return len(calls)


def strike(folder: Path, at: int, kind: FaultKind) -> None:
    """Do the work with one fault, then open what is left in both ways in which a process may find it."""
    folder.mkdir()
    machine, told = Machine(folder / "work", Fault(at, kind)), Told()
    work(machine, told)
    if kind != "crash":
        verify(machine.after_kill(folder / "killed"), Told(dict(told.acknowledged), dict(told.offered)))
    verify(machine.after_crash(folder / "crashed", at), told)


def tried(total: int, wanted: int) -> range:
    """Calls spread over the whole work; which ones differs with its length."""
    step = max(1, total // wanted)
    return range(1 + total % step, total + 1, step)


@pytest.mark.parametrize("kind", KINDS)
def test_some_calls(tmp_path: Path, kind: FaultKind) -> None:
    for at in tried(number_of_calls(tmp_path / "whole"), SAMPLE[kind]):
        print(f"{kind} at call {at}")
        strike(tmp_path / str(at), at, kind)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_every_call(tmp_path: Path, kind: FaultKind) -> None:
    total = number_of_calls(tmp_path / "whole")
    for at in range(1, total + 1):
        print(f"{kind} at call {at} of {total}")
        strike(tmp_path / str(at), at, kind)
