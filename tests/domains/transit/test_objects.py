"""Trips, stops, schedules, routes and shapes of the V3 API, from a server that misbehaves: the tables are those of a
clean run."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from tests.unit.adapters.strangers import Answer, Stranger, until
from wayside.adapters import EventStream
from wayside.adapters.entities import Entities
from wayside.adapters.events import EventsRunner
from wayside.adapters.holding import Holding
from wayside.clock import ManualClock
from wayside.errors import DeclarationError
from wayside.runtime.trial import Trial
from wayside_domains.transit import Network, Transit
from wayside_domains.transit.objects import KINDS

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
LINE = "_p~iF~ps|U_ulLnnqC_mqNvxq`@"

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "trip": {
        "bikes_allowed": 1, "block_id": "B88-4", "direction_id": 0, "headsign": "Ashmont", "name": "",
        "revenue": "REVENUE", "wheelchair_accessible": 2,
    },
    "stop": {
        "address": "1 Park St", "at_street": None, "description": "Park Street - Red Line - Alewife",
        "latitude": 42.35639, "location_type": 0, "longitude": -71.062424, "municipality": "Boston",
        "name": "Park Street", "on_street": None, "platform_code": "2", "platform_name": "Alewife", "vehicle_type": 1,
        "wheelchair_boarding": 1,
    },
    "schedule": {
        "arrival_time": "2026-11-26T07:10:00-05:00", "departure_time": "2026-11-26T07:11:00-05:00", "direction_id": 0,
        "drop_off_type": 0, "pickup_type": 0, "stop_headsign": None, "stop_sequence": 4, "timepoint": False,
    },
    "route": {
        "color": "DA291C", "description": "Rapid Transit", "direction_destinations": ["Ashmont/Braintree", "Alewife"],
        "direction_names": ["South", "North"], "fare_class": "Rapid Transit", "long_name": "Red Line", "short_name": "",
        "sort_order": 10010, "text_color": "FFFFFF", "type": 1,
    },
    "shape": {"polyline": LINE},
}  # fmt: skip
RELATED: dict[str, dict[str, Any]] = {
    "trip": {"route": "Red", "route_pattern": "Red-1", "service": "s", "shape": "931"},
    "stop": {"parent_station": "place-pktrm", "zone": None},
    "schedule": {"route": "Red", "stop": "70075", "trip": "t1"},
    "route": {"line": "line-Red"},
    "shape": {},
}
CLEARED = {
    "trip": ("headsign", "headsign"), "stop": ("platform_name", "platform"), "schedule": ("stop_sequence",) * 2,
    "route": ("description",) * 2, "shape": ("polyline", "geometry"),
}  # fmt: skip


def thing(kind: str, name: str, **attributes: Any) -> dict[str, Any]:
    """An object as the API's documentation shows it."""
    relations = {name: {"data": None if to is None else {"id": to, "type": name}} for name, to in RELATED[kind].items()}
    return {
        "attributes": {**ATTRIBUTES[kind], **attributes}, "id": name, "links": {"self": f"/{kind}s/{name}"},
        "relationships": relations, "type": kind,
    }  # fmt: skip


def declared(url: str = "http://127.0.0.1:9") -> Transit:
    found = Transit("feed", "Feed", Network("mbta", "MBTA"), zone="UTC")
    found.listen("mbta", **{f"{kind}s": f"{url}/{kind}s" for kind in KINDS})
    return found


class Streamed:
    """One kind of object, event by event."""

    def __init__(self, kind: str) -> None:
        self.trial = Trial(declared().domain(), clock=ManualClock(NOW))
        self.kind = kind
        self.source: EventStream = self.trial.plan.feeds[f"mbta_{kind}_events"].source  # type: ignore[assignment]  # it is one
        self.entities = Entities(self.source.identity, "timestamp")

    def event(self, name: str, data: Any) -> Any:
        assert isinstance(self.trial.clock, ManualClock)
        self.trial.clock.advance(1)
        change = self.source.decode(name, json.dumps(data))
        assert change is not None
        lines = self.entities.apply(change, self.trial.clock.now())
        return self.trial.push(f"mbta_{self.kind}_events", lines)

    def table(self) -> dict[str, dict[str, Any]]:
        return {row[f"{self.kind}_id"]: row for row in self.trial.table(f"{self.kind}s").to_dicts()}


@pytest.mark.parametrize("kind", KINDS)
def test_objects_come_change_and_go(kind: str) -> None:
    streamed = Streamed(kind)
    assert streamed.event("reset", [thing(kind, "a"), thing(kind, "b/ü")]).rejected == 0
    assert set(streamed.table()) == {"a", "b/ü"}
    attribute, column = CLEARED[kind]
    assert streamed.table()["a"][column] is not None
    streamed.event("update", thing(kind, "a", **{attribute: None}))
    row = streamed.table()["a"]
    # A stop whose platform has no name is known by its code.
    assert row[column] == ("2" if kind == "stop" else None), "a cleared field is cleared"
    streamed.event("add", thing(kind, "c"))
    streamed.event("remove", {"id": "b/ü", "type": kind})
    assert set(streamed.table()) == {"a", "c"}
    streamed.event("reset", [thing(kind, "c"), thing(kind, "d")])
    assert set(streamed.table()) == {"c", "d"}, "a reset purges what it does not hold"
    assert streamed.trial.quarantine().is_empty()


def test_what_was_told_is_made_ready_for_use() -> None:
    trip = Streamed("trip")
    trip.event("add", thing("trip", "t1"))
    row = trip.table()["t1"]
    assert (row["route_id"], row["shape_id"], row["service_id"], row["route_pattern_id"]) == (
        "Red",
        "931",
        "s",
        "Red-1",
    )
    assert (row["bikes"], row["wheelchairs"], row["headsign"]) == (True, False, "Ashmont")

    stop = Streamed("stop")
    station = thing(
        "stop", "place-pktrm", location_type=1, platform_name=None, platform_code=None, wheelchair_boarding=0
    )
    station["relationships"] |= {
        "parent_station": {"data": None},
        "child_stops": {"data": [{"id": "70075", "type": "stop"}, {"id": "70076", "type": "stop"}]},
    }
    stop.event("reset", [thing("stop", "70075"), station])
    row, other = stop.table()["70075"], stop.table()["place-pktrm"]
    assert (row["station_id"], row["platform"], row["wheelchairs"]) == ("place-pktrm", "Alewife", True)
    assert (other["station_id"], other["platform"], other["wheelchairs"]) == ("place-pktrm", None, None)
    batch = stop.trial.broker.read("told_stops", 0, 0)
    assert batch is not None
    assert batch.frame["children"].to_list() == [None, "70075 70076"], "bronze has what was told"

    schedule = Streamed("schedule")
    last = thing("schedule", "z", departure_time=None)
    schedule.event(
        "reset", [thing("schedule", "s"), last, thing("schedule", "n", arrival_time=None, departure_time=None)]
    )
    rows = schedule.table()
    assert rows["s"]["scheduled"] == datetime(2026, 11, 26, 12, 11, tzinfo=UTC)
    assert (rows["z"]["scheduled"], rows["z"]["ends"]) == (datetime(2026, 11, 26, 12, 10, tzinfo=UTC), True)
    assert (rows["n"]["scheduled"], rows["n"]["ends"], rows["s"]["ends"]) == (None, False, False)

    route = Streamed("route")
    odd = thing("route", "x", color="", text_color="no", direction_names=None, direction_destinations=[None, "B"])
    route.event("reset", [thing("route", "Red"), odd, thing("route", "1", short_name="1", color="#ffc72c")])
    rows = route.table()
    assert (rows["Red"]["name"], rows["Red"]["color"], rows["Red"]["text_color"]) == ("Red Line", "#DA291C", "#FFFFFF")
    assert (rows["Red"]["direction_0"], rows["Red"]["destination_1"], rows["Red"]["line_id"]) == (
        "South", "Alewife", "line-Red",
    )  # fmt: skip
    assert (rows["Red"]["sort_order"], rows["1"]["name"], rows["1"]["color"]) == (10010, "1", "#ffc72c")
    assert (rows["x"]["color"], rows["x"]["text_color"], rows["x"]["direction_0"]) == (None, None, None)
    assert (rows["x"]["destination_0"], rows["x"]["destination_1"]) == (None, "B")

    shape = Streamed("shape")
    shape.event("add", thing("shape", "931"))
    assert shape.table()["931"]["geometry"] == LINE


@pytest.mark.parametrize("kind", KINDS)
def test_one_bad_object_affects_only_itself(kind: str) -> None:
    streamed = Streamed(kind)
    odd: list[Any] = [None, 5, {}, {"id": "x"}, {"id": "y", "attributes": None}, thing(kind, "q" * 600)]
    if kind == "route":
        odd.append(thing(kind, "w", direction_names=[{}]))
    receipt = streamed.event("reset", [thing(kind, "a"), *odd, thing(kind, "b")])
    assert receipt.rejected == len(odd)
    assert set(streamed.table()) == {"a", "b"}


def event(name: str, data: Any, **fields: object) -> bytes:
    lines = [f"{key}: {value}" for key, value in fields.items()]
    return ("\n".join([*lines, f"event: {name}", f"data: {json.dumps(data, ensure_ascii=False)}"]) + "\n\n").encode()


def streams(*pieces: bytes, hold: float = 0.0) -> Answer:
    return lambda handler: handler.stream(*pieces, hold=hold)


def told(kind: str) -> tuple[list[bytes], list[bytes]]:
    """Events before and after the server was lost."""
    first = [
        event("reset", [thing(kind, "ä"), thing(kind, "b"), thing(kind, "gone")], id=1),
        event("add", thing(kind, "c"), id=2),
        event("update", thing(kind, "ä", **{CLEARED[kind][0]: None}), id=3),
        event("remove", {"id": "b", "type": kind}, id=4),
    ]
    kept = [thing(kind, "ä", **{CLEARED[kind][0]: None}), thing(kind, "c"), thing(kind, "e")]
    return first, [event("reset", kept, id=5), event("add", thing(kind, "end"), id=6)]


def run(kind: str, *answers: Answer) -> pl.DataFrame:
    """The table after a server has said all that it has to say."""
    with Stranger(*answers) as stranger:
        trial = Trial(declared().domain(), clock=ManualClock(NOW))
        source = copy.copy(trial.plan.feeds[f"mbta_{kind}_events"].source)
        given = {"url": stranger.url, "back_off": (0.01, 0.05), "silence": 1.0}
        quick = EventStream(**{**vars(source), **given})
        name = f"mbta_{kind}_events"
        holding = Holding(trial.broker, name, trial.clock)
        runner = EventsRunner(quick, trial.intakes[name], "timestamp", clock=trial.clock, holding=holding)
        runner.start()

        def ended() -> bool:
            trial.engine.drain()
            return "end" in trial.table(f"{kind}s")[f"{kind}_id"].to_list()

        until(ended, 60)
        runner.stop()
        trial.engine.drain()
        return trial.table(f"{kind}s")


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_misbehaves_leaves_the_tables_of_a_clean_run(kind: str) -> None:
    first, second = told(kind)
    clean = run(kind, streams(*first, *second, hold=20))
    assert clean[f"{kind}_id"].to_list() == ["c", "e", "end", "ä"]
    whole = b"".join(first)
    cut = whole.index("ä".encode()) + 1  # in the middle of a character
    bad: list[Answer] = [
        streams(whole[:cut]),
        lambda handler: handler.give(200, b"<html>soon</html>", Content_Type="text/html"),
        lambda handler: handler.give(429, Retry_After="1"),
        streams(first[0], first[1], first[2][:-30]),
        lambda handler: handler.hang_up(),
        streams(*([first[0]] * 50), first[1], first[2], first[3], hold=3.0),  # a storm of resets, then it falls silent
        lambda handler: handler.give(500),
        streams(b"event: reset\ndata: {broken\n\n", *second, hold=20),
    ]
    rows = run(kind, *bad)
    assert rows.drop("timestamp").equals(clean.drop("timestamp"))


def test_only_what_the_api_has_can_be_listened_to() -> None:
    transit = Transit("feed", "Feed", Network("mbta", "MBTA"), zone="UTC")
    for name in ("facilities", "trip", "s"):
        with pytest.raises(DeclarationError, match="has no"):
            transit.listen("mbta", **{name: "http://127.0.0.1:9"})
    names = {node.name for node in transit.domain().flow}
    assert not names & {"trips", "stops"}, "what is not listened to has no table"
