"""Where the servers of an agency may lead its feeds and timetables: to the internet, and to what is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.domains.transit.test_swapping import gives, packed
from tests.unit.adapters.strangers import Answer, Kept, Stranger, until
from wayside.adapters.events import EventsRunner
from wayside.adapters.polling import PollingRunner
from wayside.domain import Feed
from wayside.errors import DeclarationError, WaysideError
from wayside_domains.transit import Network, Transit
from wayside_domains.transit.swapping import Swap

HERE = ("127.0.0.0/8",)
EVENT = b"event: reset\ndata: []\n\n"
JSON = b'{"header": {"timestamp": 1800000000}, "entity": [{"id": "1", "vehicle": {"vehicle": {"id": "v"}}}]}'
XML = b'<ArrayOfObjTrainPositions xmlns="http://api.irishrail.ie/realtime/"></ArrayOfObjTrainPositions>'


def leading_to(url: str) -> Answer:
    return lambda handler: handler.give(302, Location=url)


def poll(transit: Transit, url: str, networks: tuple[str, ...]) -> list[Feed]:
    return transit.poll("x", positions=f"{url}.json", every=0.05, networks=networks)


def listen(transit: Transit, url: str, networks: tuple[str, ...]) -> list[Feed]:
    return transit.listen("x", vehicles=url, networks=networks)


def listen_to_trips(transit: Transit, url: str, networks: tuple[str, ...]) -> list[Feed]:
    return transit.listen("x", trips=url, networks=networks)


def irish(transit: Transit, url: str, networks: tuple[str, ...]) -> list[Feed]:
    return [transit.irish("x", url, every=0.05, networks=networks)]


Declare = Callable[[Transit, str, tuple[str, ...]], list[Feed]]
KINDS: dict[str, tuple[Declare, Answer]] = {
    "polled": (poll, lambda handler: handler.give(200, JSON)),
    "vehicles": (listen, lambda handler: handler.stream(EVENT, hold=60)),
    "trips": (listen_to_trips, lambda handler: handler.stream(EVENT, hold=60)),
    "irish": (irish, lambda handler: handler.give(200, XML)),
}


def runner(declare: Declare, url: str, networks: tuple[str, ...]) -> EventsRunner | PollingRunner:
    """What asks for the one feed that is declared."""
    transit = Transit("feed", "Feed", Network("x", "X"), zone="UTC")
    (feed,) = declare(transit, url, networks)
    kind = PollingRunner if feed.source.kind == "polling" else EventsRunner
    return kind(feed.source, Kept(), "timestamp")  # type: ignore[arg-type]  # enough of an intake


@pytest.mark.parametrize("kind", KINDS)
def test_a_feed_is_not_led_into_a_private_network(kind: str) -> None:
    declare, answer = KINDS[kind]
    with Stranger(answer) as inside, Stranger(leading_to(inside.url)) as agency:
        asking = runner(declare, agency.url, ())
        asking.start()
        try:
            until(lambda: "127.0.0.1" in asking.status().last_error)
        finally:
            asking.stop()
        assert inside.asked == []
    said = asking.status().last_error
    assert "The request is not made." in said
    assert "127.0.0.1 is 127.0.0.1, which is no address of the internet." in said
    assert "networks=['10.1.0.0/16']" in said


@pytest.mark.parametrize("kind", KINDS)
def test_a_feed_is_led_to_what_its_declaration_names(kind: str) -> None:
    declare, answer = KINDS[kind]
    with Stranger(answer) as inside, Stranger(leading_to(inside.url)) as agency:
        asking = runner(declare, agency.url, HERE)
        asking.start()
        try:
            until(lambda: inside.asked)
        finally:
            asking.stop()
        assert "The request is not made." not in asking.status().last_error


def test_a_timetable_is_not_led_into_a_private_network_unless_it_is_named(tmp_path: Path) -> None:
    with Stranger(gives(packed(), '"1"')) as inside, Stranger(leading_to(inside.url)) as agency:
        with pytest.raises(
            WaysideError, match="The timetable of 'x' was not replaced: The request is not made"
        ) as caught:
            Swap(Network("x", "X", agency.url))(tmp_path / "one")
        assert caught.value.where == inside.url
        assert "no address of the internet" in caught.value.why
        assert "networks=['10.1.0.0/16']" in caught.value.why
        assert inside.asked == []
        network = Network("x", "X", agency.url, networks=HERE)
        Swap(network)(tmp_path / "two")
        assert network.read() is not None


def test_what_is_no_range_is_said_where_it_is_declared() -> None:
    with pytest.raises(DeclarationError, match="range cannot be read") as caught:
        Network("x", "X", networks=["10.1.0.0/99"])
    assert "network 'x'" in caught.value.where
    transit = Transit("feed", "Feed", Network("x", "X", None), zone="UTC")
    with pytest.raises(DeclarationError, match="range cannot be read"):
        transit.poll("x", positions="https://feeds.example/p.json", networks=["here"])
