"""The lines as they are declared, through a running server: every station once, and every entry counted."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import polars as pl
import pytest

from e2e.running import Running, up, wait_for
from server_site import Site
from wayside.adapters import SqlTable
from wayside.domain import Plan
from wayside_domains.metro import Metro
from wayside_domains.metro.declare import one_line
from wayside_domains.metro.network import SINCE, stations, stops
from wayside_domains.metro.records import Stop
from wayside_domains.metro.simulation import Clockwork, Listed, Sky, Trains, Turnstiles, iso

TURNSTILE = "org.chicago.cta.station.turnstile.v1"
ARRIVALS = "org.chicago.cta.station.arrivals"
WEATHER = "org.chicago.cta.weather.v1"
STOPS = "org.chicago.cta.stations"


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso_exact(at: datetime) -> str:
    """An instant to the microsecond."""
    return at.isoformat()


@pytest.fixture
def site() -> Any:
    with Site(plan=Plan.of([Metro("metro", "Metro").domain()])) as site:
        yield site


def post(site: Site, topic: str, rows: list[Any]) -> None:
    answer = site.post(rows, f"/v1/topics/{topic}/records")
    assert answer.json()["rejected"] == 0, answer.text
    site.settle()


def list_stops(site: Site) -> None:
    post(site, STOPS, [{**row, "valid_from": iso(SINCE)} for row in stops()])


def board(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = site.client.get("/api/metro/board").json()
    return found


def rows_of(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    rows = [row for group in found["groups"] for row in group["rows"]]
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row for row in rows}


def test_every_station_is_there_once_and_in_the_order_of_its_line(site: Site) -> None:
    assert board(site)["groups"] == []
    list_stops(site)
    found = board(site)
    assert [group["id"] for group in found["groups"]] == ["blue", "red", "green"]
    assert set(rows_of(found)) == {str(place.station_id) for place in stations()}
    for group in found["groups"]:
        own = sorted((p for p in stations() if p.line == group["id"]), key=lambda p: p.order)
        assert [row["id"] for row in group["rows"]] == [str(place.station_id) for place in own]
    names = Counter(row["name"] for row in found["groups"][0]["rows"])
    assert names["Harlem"] == 2
    shared = {row["name"]: row["tags"] for row in rows_of(found).values() if row["tags"]}
    assert shared == {"Lakeside": ["Green"], "Old Mint": ["Blue"], "Market Hall": ["Green"]}
    assert (found["heard"], found["clock"], found["facts"]) == (None, None, [])


def test_trains_are_where_they_arrived_last_and_leave_their_trace(site: Site) -> None:
    list_stops(site)
    now = datetime.now(UTC)
    trains = Trains(Clockwork(), random.Random(50))
    post(site, ARRIVALS, [message for thing in range(30) for message in trains.messages(thing, now)])
    shown = [
        (row["id"], side, event["text"], event["here"])
        for row in rows_of(board(site)).values()
        for side in ("a", "b")
        for event in row[side] or []
    ]
    assert len(shown) == 30
    assert all(here for *_, here in shown)
    first = next(iter(trains.messages(0, now + timedelta(seconds=300))))
    moved = {**first, "train_status": "broken_down", "timestamp": iso(now), "sent_at": iso(now)}
    post(site, ARRIVALS, [moved])
    rows = rows_of(board(site))
    # Another train may be at either station: where all are follows from the hour at which this runs.
    there = [event for event in rows[str(first["station_id"])][first["direction"]] if event["text"] == "BL000"]
    assert there == [{"text": "BL000", "at": iso(now), "here": True, "note": "broken down"}]
    before = rows[str(first["prev_station_id"])][first["prev_direction"]]
    (left,) = [event for event in before if event["text"] == "BL000"]
    assert not left["here"]


def test_the_board_of_an_instant_of_the_past(site: Site) -> None:
    list_stops(site)
    now = datetime.now(UTC)
    then = now - timedelta(seconds=90)
    trains = Trains(Clockwork(), random.Random(50))
    post(site, ARRIVALS, [message for thing in range(30) for message in trains.messages(thing, then)])
    before = board(site)
    first = next(iter(trains.messages(0, now + timedelta(seconds=300))))
    post(site, ARRIVALS, [{**first, "timestamp": iso(now), "sent_at": iso(now)}])
    assert rows_of(board(site)) != rows_of(before)
    answer = site.client.get("/api/metro/board", params={"at": iso(then + timedelta(seconds=1))})
    found = answer.json()
    assert found["now"] == iso(then + timedelta(seconds=1))
    assert rows_of(found) == rows_of(before)
    assert "the total of now, less the entries since" in found["notes"][0]
    assert site.client.get("/api/metro/board", params={"at": "then"}).status_code == 422


def test_entries_of_a_moment_are_what_the_simulation_had_counted_by_then(site: Site) -> None:
    list_stops(site)
    now, counted = datetime.now(UTC), {}
    people = Turnstiles(Clockwork(), random.Random(50), "America/Chicago", counted)
    moments: dict[datetime, dict[str, int]] = {}
    for minute in range(-100, 1, 10):
        at = now + timedelta(minutes=minute)
        said = [message for thing in range(len(people.places)) for message in people.messages(thing, at)]
        for first in range(0, len(said), 1_000):
            post(site, TURNSTILE, said[first : first + 1_000])
        moments[at] = {str(station): number for station, number in counted.items()}
    assert sum(moments[now].values()) > 500
    for at, wanted in moments.items():
        found = rows_of(site.client.get("/api/metro/board", params={"at": iso_exact(at)}).json())
        assert {name: row["entries"] for name, row in found.items()} == wanted
    at = now - timedelta(minutes=30)
    row = rows_of(site.client.get("/api/metro/board", params={"at": iso_exact(at)}).json())
    since = at - timedelta(hours=1)
    quarter = since + (EPOCH - since) % timedelta(minutes=15)
    late = Turnstiles(Clockwork(), random.Random(50), "America/Chicago", {})
    # The simulation's own count of the quarters of an hour since.
    for thing in range(len(late.places)):
        list(late.messages(thing, quarter - timedelta(microseconds=1)))
        list(late.messages(thing, at))
    assert {name: one["hour"] for name, one in row.items()} == {str(s): n for s, n in late.counted.items()}


def test_entries_are_all_counted_also_of_stations_that_nobody_knows(site: Site) -> None:
    now = datetime.now(UTC)
    entry = {"station_id": 40010, "station_name": "Airfield", "line": "blue", "timestamp": iso(now)}
    old = {**entry, "timestamp": iso(now - timedelta(days=40))}
    post(site, TURNSTILE, [entry] * 3 + [old])  # before the list of stations
    list_stops(site)
    post(site, TURNSTILE, [entry] * 4 + [{**entry, "station_id": 7}])
    row = rows_of(board(site))["40010"]
    assert (row["entries"], row["hour"]) == (8, 7)
    total = site.client.get("/v1/windows/metro_entries/summary").json()
    assert total["rows"] == [[9]]


def test_weather_and_whose_time_it_is(site: Site) -> None:
    list_stops(site)
    sky = Sky(Clockwork(), random.Random(50))
    past = datetime.now(UTC) - timedelta(days=7)
    post(site, WEATHER, [{**m, "sent_at": iso(datetime.now(UTC))} for m in sky.messages(0, past)])
    found = board(site)
    (fact,) = found["facts"]
    assert fact["title"] == "Weather"
    assert fact["value"].endswith(" °F")
    assert found["clock"] == fact["at"], "the lines run in the past, and the board says so"
    assert found["heard"] > iso(datetime.now(UTC) - timedelta(seconds=60))


def schema(name: str, **fields: Any) -> str:
    """An Avro schema as the clients send it."""
    return json.dumps(
        {"type": "record", "name": name, "fields": [{"name": field, "type": kind} for field, kind in fields.items()]}
    )


def test_clients_of_the_system_before_produce_by_rest_proxy(site: Site) -> None:
    """Avro with the time in the key, in milliseconds, and nothing of it in the value."""
    list_stops(site)
    now = int(datetime.now(UTC).timestamp() * 1000)
    nullable = ["null", "int"]
    arrival = {"station_id": 40010, "train_id": "BL007", "direction": "a", "line": "blue", "train_status": "in_service"}
    sent = {
        WEATHER: (schema("w", temperature="float", status="string"), {"temperature": 79.0, "status": "sunny"}),
        TURNSTILE: (
            schema("t", station_id="int", station_name="string", line="string"),
            {"station_id": 40010, "station_name": "Airfield", "line": "blue"},
        ),
        ARRIVALS: (
            schema(
                "a", station_id="int", train_id="string", direction="string", line="string", train_status="string",
                prev_station_id=nullable, prev_direction=["null", "string"],
            ),
            {**arrival, "prev_station_id": {"int": 40020}, "prev_direction": {"string": "a"}},
        ),
    }  # fmt: skip
    for topic, (value, said) in sent.items():
        body = {
            "key_schema": schema("k", timestamp="long"),
            "value_schema": value,
            "records": [{"key": {"timestamp": now}, "value": said}],
        }
        answer = site.client.post(
            f"/topics/{topic}", json=body, headers={"content-type": "application/vnd.kafka.avro.v2+json"}
        )
        assert answer.status_code == 200, answer.text
        assert "error_code" not in answer.json()["offsets"][0] or answer.json()["offsets"][0]["error_code"] is None
    site.settle()
    found = board(site)
    assert found["facts"][0]["value"] == "79 °F"
    row = rows_of(found)["40010"]
    assert row["entries"] == 1
    assert [event["text"] for event in row["a"]] == ["BL007"]
    assert found["heard"][:16] == iso(datetime.fromtimestamp(now / 1000, UTC))[:16]


def test_a_station_has_one_line_whatever_the_order_of_its_rows() -> None:
    listed = Listed(Clockwork(), random.Random(1))
    rows = [dict(m) for thing in range(len(stops())) for m in listed.messages(thing, SINCE)]
    mint = [row for row in rows if row["station_name"] == "Old Mint"]
    mint[0] |= {"blue": True, "red": False}
    mint[1] |= {"blue": False, "red": True, "station_name": "Old Ran Mint"}  # a typing error under one id
    frame = pl.DataFrame([{**row, "valid_from": SINCE} for row in rows], schema=Stop.schema())
    for order in (frame, frame.reverse()):
        made = one_line(order.lazy()).collect()
        assert made.height == len(stops()) - 6
        kept = made.sort("valid_from", maintain_order=True).unique("station_id", keep="last")
        assert kept.height == 89
        assert kept.filter(station_id=mint[0]["station_id"])["line"].to_list() == ["red"]


def test_stations_from_a_table(tmp_path: Path) -> None:
    """The table of the system that this replaces, and a typing error in it under one id."""
    database = apsw.Connection(str(tmp_path / "stations.db"))
    columns = list(stops()[0])
    quoted = ", ".join(f'"{name}"' for name in columns)
    database.execute(f"CREATE TABLE stations ({quoted})")
    rows = stops()
    rows[-7] |= {"station_name": "95th/Ran Ryan"}
    places = ", ".join("?" * len(columns))
    database.executemany(f"INSERT INTO stations VALUES ({places})", [tuple(row.values()) for row in rows])
    source = SqlTable(
        f"sqlite:///{tmp_path / 'stations.db'}",
        "stations",
        id="stop_id",
        constants={"valid_from": "2000-01-01T00:00:00Z"},
        every=0.1,
    )
    from wayside.runtime.service import Service
    from wayside.settings import Settings

    plan = Plan.of([Metro("metro", "Metro", table=source).domain()])
    for _ in range(2):  # the second time nothing is read again
        with Service(plan, Settings(data_dir=tmp_path / "data")) as service:
            service.start()
            wait_for(lambda service=service: service.store.count("metro_stations") == 89)
            wait_for(lambda service=service: service.runners["metro_stops"].status().state == "running")
            (info,) = service.broker.partitions(STOPS)
            assert info.end == len(rows)
            found = service.store.table("metro_stations", where={"station_name": ["95th/Ran Ryan"]})
            assert found["station_id"].to_list() == [rows[-7]["station_id"]]


def entered(running: Running) -> dict[str, int]:
    """What the board says."""
    return {row["id"]: row["entries"] for group in running.get("/api/metro/board")["groups"] for row in group["rows"]}


def test_entries_equal_what_the_simulation_has_counted_over_a_crash(tmp_path: Path) -> None:
    own: Counter[str] = Counter()
    begin = iso(datetime.now(UTC) - timedelta(hours=20))
    for turn in range(2):
        with up(tmp_path, "--domains", "metro") as running:
            wait_for(lambda running=running: running.get("/readyz")["status"] == "ready")
            if turn:
                assert entered(running) == dict(own), "nothing is lost and nothing counted twice"
                begin = iso(datetime.now(UTC) - timedelta(hours=1))
            status, said = running.post(f"/api/metro/start?speed=600&begin={begin.replace('+', '%2B')}", None)
            assert (status, said["speed"]) == (200, 600)
            assert running.post("/api/metro/start", None)[0] == 208
            wait_for(lambda running=running: sum(running.get("/api/metro/status")["entries"].values()) > 300)
            assert running.post("/api/metro/stop", None)[0] == 200
            state = running.get("/api/metro/status")
            assert state["status"] == "stopped"
            own.update(state["entries"])
            wait_for(lambda running=running: entered(running) == dict(own))
            assert len(own) == 89
            if not turn:
                answer = running.post("/api/metro/start?speed=60&begin=2026-01-01T00:00:00Z", None)
                assert answer[0] == 409
                assert running.post("/api/metro/start?speed=0", None)[0] == 422
                running.kill()
