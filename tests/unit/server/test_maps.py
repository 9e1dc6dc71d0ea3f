"""Maps: what they declare, what stands still, and what moved once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from made_city import calls, fixes, iso, plan, routes
from server_site import Site
from wayside.domain import Band, Domain, Lines, Map, Places
from wayside.errors import DeclarationError

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def city() -> Iterator[Site]:
    with Site(plan=plan()) as site:
        found = routes()
        for second in range(0, 120, 20):
            at = NOW + timedelta(seconds=second)
            assert site.post(fixes(found, 12, at), "/v1/topics/spots/records").status_code == 202
        assert site.post(calls(found, 12, NOW), "/v1/topics/due/records").status_code == 202
        site.settle()
        yield site


def test_a_map_is_declared_to_the_page(city: Site) -> None:
    (domain,) = city.client.get("/v1/domains").json()
    (map,) = domain["maps"]
    assert (map["table"], map["thing"], map["along"]) == ("spot_latest", "thing_id", "along")
    assert (map["horizon_seconds"], map["stale_seconds"], map["dead_seconds"]) == (30, 90, 300)
    assert map["bands"][0] == {"name": "early", "tone": "early", "below": -60}
    assert map["states"]["unheard"]["look"] == "hollow"
    assert map["calls"] == {
        "path": "/api/city/due", "title": "Next stops", "board": "Departures",
        "passed": "", "shares": "", "planned": "", "past": False,
    }  # fmt: skip
    assert map["lines"]["geometry"] == "ways"
    assert city.client.get("/v1/layers/ways").json()["features"][0]["id"] == "red-out"


def test_what_is_due_is_asked_of_the_domain(city: Site) -> None:
    answer = city.client.get("/api/city/due", params={"thing": "r-1"}).json()
    assert answer["basis"] == "schedule plus present delay"
    assert {row["thing"] for row in answer["rows"]} == {"r-1"}


def past(site: Site, start: int, end: int, **more: Any) -> list[list[Any]]:
    span = {"from": iso(NOW + timedelta(seconds=start)), "to": iso(NOW + timedelta(seconds=end))}
    answer = site.client.get("/v1/maps/city/past", params={**span, **more})
    assert answer.status_code == 200, answer.text
    names = [column["name"] for column in answer.json()["columns"]]
    assert names[:4] == ["thing_id", "at", "latitude", "longitude"]
    return list(answer.json()["rows"])


def test_the_past_is_what_was_said_then(city: Site) -> None:
    rows = past(city, 20, 60)
    assert len(rows) == 24
    expected = fixes(routes(), 12, NOW + timedelta(seconds=20))[0]
    found = next(row for row in rows if row[0] == expected["thing_id"])
    assert found[2:4] == [expected["latitude"], expected["longitude"]]


def test_the_past_can_be_had_with_fewer_rows(city: Site) -> None:
    rows = past(city, 0, 120, every=60)
    assert len(rows) == 24
    assert {row[1][14:19] for row in rows} == {"00:40", "01:40"}


def test_the_past_can_be_narrowed_to_a_line_or_a_thing(city: Site) -> None:
    assert {row[0] for row in past(city, 0, 120, line_id="red")} == {"r-1", "r-5", "r-9"}
    assert len(past(city, 0, 120, thing_id="r-1")) == 6
    assert city.client.get("/v1/maps/city/past", params={"label": "1700"}).status_code == 422


def test_more_rows_than_wanted_are_an_error_that_says_so(city: Site) -> None:
    answer = city.client.get("/v1/maps/city/past", params={"from": iso(NOW), "limit": 10})
    assert answer.status_code == 422
    assert "72 rows" in answer.json()["detail"]
    assert city.client.get("/v1/maps/nowhere/past").status_code == 404


def declared(**changes: Any) -> Map:
    given: dict[str, Any] = {
        "table": "spot_latest", "thing": "thing_id", "time": "at", "latitude": "latitude", "longitude": "longitude",
        "lines": Lines("ways", line="route"),
    }  # fmt: skip
    return Map("m", "M", **{**given, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"along": "along"}, "no `path` is named"),
        ({"value": "delay"}, "A value without bands"),
        ({"bands": [Band("late", "bad"), Band("early", "early", below=1)]}, "must rise"),
        ({"table": "nothing"}, "no table of the domain"),
        ({"bearing": "nothing"}, "'nothing', which does not exist"),
        ({"lines": Lines("halts", line="route")}, "no geometry of lines"),
        ({"places": Places("nowhere")}, "no geometry of points"),
        ({"window": "spots_heard", "output": "m"}, "does not have"),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong(changes: dict[str, Any], said: str) -> None:
    (domain,) = plan().domains
    with pytest.raises(DeclarationError, match=said):
        Domain("m", "M", domain.flow, maps=[declared(**changes)], geometries=domain.geometries)


def test_what_was_there_at_a_moment_is_the_newest_row_of_each_thing(city: Site) -> None:
    rows = past(city, 0, 61, only="newest")
    assert len(rows) == 12
    assert {row[1][14:19] for row in rows} == {"01:00"}
    assert len(past(city, 0, 61, only="newest", line_id=["red", "blue"])) == 6
    span = {"from": iso(NOW), "to": iso(NOW + timedelta(seconds=61)), "only": "newest", "format": "csv"}
    text = city.client.get("/v1/maps/city/past", params=span).text.splitlines()
    assert len(text) == 13
    assert text[0].startswith("thing_id,at,latitude")


def test_who_has_left_is_not_there() -> None:
    with Site(plan=plan()) as site:
        rows = fixes(routes(), 12, NOW)
        site.post(rows, "/v1/topics/spots/records")
        site.post([{**rows[0], "gone": True, "at": iso(NOW + timedelta(seconds=5))}], "/v1/topics/spots/records")
        site.settle()
        assert len(past(site, 0, 60, only="newest")) == (11 if site.plan.domains[0].maps[0].gone else 12)


def test_what_is_due_can_be_had_as_a_file(city: Site) -> None:
    asked = {"thing": "r-1"}
    rows = city.client.get("/api/city/due", params=asked).json()["rows"]
    answer = city.client.get("/api/city/due", params={**asked, "format": "csv"})
    assert answer.headers["content-disposition"] == 'attachment; filename="due.csv"'
    lines = answer.text.splitlines()
    assert len(lines) == len(rows) + 1
    assert lines[0].split(",") == list(rows[0])
    parquet = city.client.get("/api/city/due", params={**asked, "format": "parquet"}).content
    assert pl.read_parquet(io.BytesIO(parquet)).height == len(rows)
    assert city.client.get("/api/city/due", params={**asked, "format": "xls"}).status_code == 422
    document = city.client.get("/openapi.json").json()["paths"]["/api/city/due"]["get"]
    assert "format" in {parameter["name"] for parameter in document["parameters"]}
