"""What sources held outlives a restart on every log."""

from __future__ import annotations

from tests.unit.adapters.test_holding import Life
from wayside.clock import ManualClock
from wayside.ports import Broker


def test_what_a_source_held_is_known_to_its_next_life(broker: Broker, clock: ManualClock) -> None:
    life = Life(broker, clock)
    life.hears("reset", "a", "b", "ü/c")
    life.hears("remove", "b")
    clock.advance(60)
    life = Life(broker, clock)
    assert life.hears("reset", "b", "ü/c") == [("b", False), ("ü/c", False), ("a", True)]
    assert b'"again"' in life.kept.lines[0], "it left before, and its words are not a repeat"
    assert len(Life(broker, clock).entities) == 2
