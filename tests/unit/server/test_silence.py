"""Who is silent: a feed has the patience that was declared, and what follows from it has the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from made_city import Push
from server_site import Sample
from wayside.domain import Domain, Plan, Topic, count
from wayside.errors import DeclarationError
from wayside.server.silence import silent
from wayside.values import NodeStatus

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def plan() -> Plan:
    hourly, seldom, often = Topic("hourly", Sample), Topic("seldom", Sample), Topic("often", Sample)
    hourly.feed("sky", Push(), stale="2h")
    hourly.feed("clients", Push())
    seldom.feed("list", Push(), stale=None)
    often.feed("fleet", Push())
    warm = hourly.stream("warm", into=Sample, transform=lambda rows: rows)
    flow = [
        warm.window("warm_minutes", by=["station"], every="1m", n=count()),
        seldom.table("listed"),
        often.table("latest"),
    ]
    return Plan.of([Domain("weather", "Weather", flow=flow)])


NODES = ("sky", "clients", "hourly", "warm", "warm_minutes", "list", "seldom", "listed", "fleet", "often", "latest")


@pytest.mark.parametrize(
    ("seconds", "quiet"),
    [
        (90, set()),
        (91, {"clients", "fleet", "often", "latest"}),
        (7_200, {"clients", "fleet", "often", "latest"}),
        (7_201, {"sky", "clients", "hourly", "warm", "warm_minutes", "fleet", "often", "latest"}),
        (10**9, set(NODES) - {"list", "seldom", "listed"}),
    ],
)
def test_each_is_as_patient_as_its_most_patient_feed(seconds: float, quiet: set[str]) -> None:
    then = NOW - timedelta(seconds=seconds)
    assert silent(plan(), [NodeStatus(name, "", (), last_record=then) for name in NODES], NOW) == quiet


def test_who_never_spoke_is_silent() -> None:
    assert silent(plan(), [NodeStatus("list", "feed", ())], NOW) == {"list"}


def test_no_patience_at_all_is_refused() -> None:
    with pytest.raises(DeclarationError, match="leaves no time to speak"):
        Topic("samples", Sample).feed("fleet", Push(), stale="0s")
