from __future__ import annotations

import pytest

from unit.runtime.world import reading, world
from wayside.errors import NotFoundError
from wayside.runtime.diagram import mermaid, text
from wayside.runtime.trial import Trial


def test_messages_in_tables_windows_late_rows_and_quarantine_out() -> None:
    trial = Trial(world())
    trial.push("wells_push", [reading(1, 1.0), reading(25, 3.0)])
    receipt = trial.push("wells_readings", [reading(2, 2.0), b"{broken"])
    assert (receipt.rejected, len(receipt.appended.offsets)) == (1, 1)
    assert trial.late("wells_rollup")["level"].to_list() == [2.0]
    trial.finish()
    assert trial.windows("wells_rollup").select("count", "average").rows() == [(1, 1.0), (1, 3.0)]
    assert trial.table("wells_latest")["level"].to_list() == [3.0]
    assert trial.quarantine()["raw"].to_list() == [b"{broken"]


def test_an_unknown_feed_is_named() -> None:
    with pytest.raises(NotFoundError, match="No feed is named 'nope'"):
        Trial(world()).push("nope", [])


def test_the_diagram_holds_every_node_and_edge() -> None:
    plan = Trial(world()).plan
    drawn = mermaid(plan)
    for edge in plan.edges():
        assert f"_{edge.source} --> " in drawn
        assert f"_{edge.target}\n" in drawn
    assert text(plan).splitlines() == [
        "topic wells_readings  (Reading by station)",
        "  <- feed wells_push  (push)",
        "  -> stream wells_high  (Reading)",
        "    -> table wells_high_latest  (latest by station)",
        "  -> table wells_latest  (latest by station)",
        "  -> window wells_rollup  (10s by station)",
    ]
