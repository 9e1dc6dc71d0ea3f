"""Every file call of the log fails once, or is the last before the power goes: no promise is broken.

The story creates, appends with ids and duplicates, rolls, commits offsets, compacts, expires, closes, opens again and
appends. The quick run takes a sample of the calls; `--tier slow` takes each of them with each fault.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from tests.faults.disk import Fault, SimulatedDisk
from tests.faults.log_story import Promised, tell, verify
from wayside.broker import EmbeddedBroker

pytestmark = pytest.mark.faults

# A full disk may be full for one call, or stay so.
FAULTS = {
    "input/output error": Fault(0, "EIO"),
    "full for a moment": Fault(0, "ENOSPC"),
    "full from then on": Fault(0, "ENOSPC", lasting=True),
    "short write": Fault(0, "short"),
    "power cut": Fault(0, "crash"),
}
SAMPLE = 29


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Hundreds of expected errors would bury the one that matters."""
    with structlog.testing.capture_logs():
        yield


def survives(fault: Fault, seeds: tuple[int, ...], kind: type[EmbeddedBroker] = EmbeddedBroker) -> None:
    """Tell the story with a fault, then kill the process, or cut the power and try several states of the disk."""
    disk, promised = SimulatedDisk(fault), Promised()
    tell(disk, promised, kind)
    assert disk.struck or fault.kind == "short", "the fault did not happen"
    if disk.powered:
        verify(disk.after_kill(), promised, kind)
    for seed in seeds:
        try:
            verify(disk.after_crash(seed), promised, kind)
        except AssertionError as error:
            error.add_note(f"{fault}, {disk.calls[fault.at - 1]}, seed {seed}")
            raise


def calls() -> list[str]:
    """The file calls of a story without faults."""
    disk, promised = SimulatedDisk(), Promised()
    tell(disk, promised)
    assert not promised.refused
    verify(disk.after_kill(), promised)
    verify(disk.after_crash(0), promised)
    return disk.calls


def test_the_story_reaches_everything_that_writes() -> None:
    found = set(calls())
    for name in (
        "write 00000000000000000000-0000.log",
        "sync 00000000000000000000-0000.log",
        "write mark",
        "sync mark",
        "rename topic.json",
        "rename group.json",
        "rename group.json.old",
        "rename 00000000000000000000-0000.idx",
        "sync 00000000000000000000-0001.log.tmp",
        "rename 00000000000000000000-0001.log",
        "remove 00000000000000000000-0000.log",
        "remove 00000000000000000000-0000.idx",
    ):
        assert name in found
    rolled = {name for name in found if name.startswith("write") and name.endswith("-0000.log")}
    assert len(rolled) > 6
    assert {"sync_folder 0", "sync_folder groups", "sync_folder readings"} <= found


@pytest.mark.parametrize("name", FAULTS)
def test_a_sample_of_the_calls(name: str) -> None:
    fault = FAULTS[name]
    count = len(calls())
    first = 1 + sorted(FAULTS).index(name) * SAMPLE // len(FAULTS)
    for at in range(first, count + 1, SAMPLE):
        survives(Fault(at, fault.kind, fault.lasting), (0, at))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", FAULTS)
def test_every_call(name: str) -> None:
    fault = FAULTS[name]
    for at in range(1, len(calls()) + 1):
        survives(Fault(at, fault.kind, fault.lasting), (0, 2 * at, 2 * at + 1))


def test_a_cut_at_the_end_leaves_everything() -> None:
    disk, promised = SimulatedDisk(), Promised()
    tell(disk, promised)
    for seed in range(20):
        verify(disk.after_crash(seed), promised)
