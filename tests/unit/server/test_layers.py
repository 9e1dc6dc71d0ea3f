"""What lies where: declared geometries, and layers of points, as GeoJSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import polars as pl
import pytest

from server_site import COAST, Site
from wayside.domain import Domain, Drawn, Geometry, Layer, Place, Plan, Topic
from wayside.errors import DeclarationError
from wayside.record import Record, field
from wayside.server.layers import Geometries, points


class Ship(Record, key="ship", time="at"):
    """Where a ship is."""

    ship: str
    at: datetime
    latitude: float | None = field(unit="deg")
    longitude: float | None = field(unit="deg")
    speed: float | None = field(unit="m/s")


ships = Topic("ships", Ship)
latest = ships.table("ships_latest")
PLACED = Layer("fleet", "Fleet", "ships_latest", "ship", "speed", "at", kind="points", place=Place(on="lanes"))
NOON, HOUR = datetime(2026, 1, 5, 12, tzinfo=UTC), timedelta(hours=1)
NINE = NOON - 3 * HOUR
NOTHING: dict[str, Any] = {"type": "FeatureCollection", "features": []}
LAYERS = ("tide", "lanes")
LANES = Geometry("lanes", "Lanes", "lines", lambda: COAST)


def test_a_geometry_is_what_its_domain_says(site: Site) -> None:
    answer = site.client.get("/v1/layers/coast")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/geo+json"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json() == COAST
    plain = site.client.get("/v1/layers/coast", headers={"accept-encoding": "identity"})
    assert plain.json() == COAST
    again = site.client.get("/v1/layers/coast", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_what_is_not_declared_is_told_with_what_is(site: Site) -> None:
    answer = site.client.get("/v1/layers/river")
    assert answer.status_code == 404
    assert "coast" in answer.json()["why"]
    assert site.client.get("/v1/layers/temperatures").status_code == 404, "a layer without a place is not drawn"
    assert site.client.get("/v1/layers/coast?zoom=3").status_code == 422


def test_domains_tell_what_they_draw(site: Site) -> None:
    (domain,) = site.client.get("/v1/domains").json()
    assert domain["geometries"] == [{"name": "coast", "title": "Coast", "kind": "lines"}]
    assert [layer["place"] for layer in domain["layers"]] == [None, None]


def test_rows_become_points_and_one_without_a_place_has_none() -> None:
    rows = pl.DataFrame(
        [{"ship": "Ada", "latitude": 54.25, "longitude": 8.5, "speed": 3.0}, {"ship": "Bo", "speed": float("nan")}],
        schema=Ship.schema(),
    )
    found: dict[str, Any] = points(PLACED, latest.spec, rows)
    first, second = found["features"]
    assert first["id"] == "Ada"
    assert first["geometry"] == {"type": "Point", "coordinates": (8.5, 54.25)}
    assert first["properties"] == {"ship": "Ada", "at": None, "speed": 3.0}
    assert second["geometry"] is None
    assert second["properties"]["speed"] is None


def test_a_geometry_is_written_again_only_when_it_is_another_one() -> None:
    versions = [COAST]
    geometry, kept = Geometry("coast", "Coast", "lines", lambda: versions[-1]), Geometries()
    first = kept.get(geometry, NOON)
    assert kept.get(geometry, NOON) is first
    versions.append(NOTHING)
    assert kept.get(geometry, NOON).etag != first.etag
    assert kept.get(geometry, NOON).body == b'{"type":"FeatureCollection","features":[]}'


class Tide:
    """A coast of which there is nothing before nine, all of it until noon, and nothing again from then on."""

    def __init__(self) -> None:
        self.asked: list[datetime] = []
        self.sure = True

    def now(self) -> Mapping[str, Any]:
        return NOTHING

    def past(self, at: datetime) -> Drawn:
        self.asked.append(at)
        if at >= NOON:
            return Drawn(NOTHING, NOON, None, () if self.sure else ("Nobody knows since when.",))
        return Drawn(COAST, NINE, NOON) if at >= NINE else Drawn(COAST, None, NINE, ("The oldest that is known.",))


def asked(tide: Tide, kept: Geometries, hour: float | None, now: datetime = NOON + 3 * HOUR) -> tuple[str, Any]:
    """ETag and body as of an hour of the day, or of now."""
    geometry = Geometry("coast", "Coast", "lines", tide.now, tide.past)
    at = None if hour is None else NOON + (hour - 12) * HOUR
    found = kept.get(geometry, now, at)
    return found.etag, orjson.loads(found.body)


def test_a_geometry_of_then_says_from_when_until_when_it_was_that() -> None:
    tide, kept = Tide(), Geometries()
    _, now = asked(tide, kept, None)
    _, still = asked(tide, kept, 14)
    tag, then = asked(tide, kept, 11.5)
    again, _ = asked(tide, kept, 9)
    _, before = asked(tide, kept, 3)
    assert now == {**NOTHING, "since": "2026-01-05T12:00:00.000Z", "version": now["version"]}
    assert still == {**now, "until": None, "notes": []}
    assert then["features"] == before["features"] == COAST["features"]
    assert (then["since"], then["until"], then["notes"]) == (
        "2026-01-05T09:00:00.000Z",
        "2026-01-05T12:00:00.000Z",
        [],
    )
    assert (before["since"], before["until"]) == (None, "2026-01-05T09:00:00.000Z")
    assert before["notes"] == ["The oldest that is known."]
    assert again == tag, "within the span it is one answer"
    assert then["version"] == before["version"] != now["version"]
    _, ahead = asked(tide, kept, 24)
    assert ahead == now, "an instant that has not come yet is now"


def test_of_what_is_only_known_to_be_there_now_nothing_is_said_about_before() -> None:
    tide, kept = Tide(), Geometries()
    tide.sure = False
    first = asked(tide, kept, None)
    assert first[1]["since"] == "2026-01-05T15:00:00.000Z"
    assert asked(tide, kept, None, NOON + 4 * HOUR) == first, "it is not written again"


def test_only_a_geometry_with_a_past_takes_an_instant() -> None:
    tide = Tide()
    samples = Topic("ships", Ship).table("ships_latest")
    dated = Geometry("tide", "Tide", "lines", tide.now, tide.past)
    with Site(plan=Plan.of([Domain("sea", "Sea", [samples], geometries=[LANES, dated])])) as site:
        answer = site.client.get("/v1/layers/tide", params={"at": "2026-01-05T10:00:00Z"})
        assert answer.json()["features"] == COAST["features"]
        headers = {"if-none-match": answer.headers["etag"]}
        later = {"at": "2026-01-05T11:00:00Z"}
        assert site.client.get("/v1/layers/tide", params=later, headers=headers).status_code == 304
        assert site.client.get("/v1/layers/tide?at=yesterday").status_code == 422
        assert site.client.get("/v1/layers/lanes", params=later).status_code == 422
        paths = site.client.get("/openapi.json").json()["paths"]
        named = {name: [one["name"] for one in paths[f"/v1/layers/{name}"]["get"]["parameters"]] for name in LAYERS}
        assert named == {"tide": ["at"], "lanes": []}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"place": None}, "needs a place"),
        ({"kind": "series"}, "only such a layer has one"),
    ],
)
def test_a_layer_and_its_place_belong_together(change: dict[str, Any], said: str) -> None:
    given = {"kind": "points", "place": Place(), **change}
    with pytest.raises(DeclarationError, match=said):
        Layer("fleet", "Fleet", "ships_latest", "ship", "speed", "at", **given)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (Place(latitude="lat"), "'lat', which does not exist"),
        (Place(bearing="heading"), "'heading', which does not exist"),
        (Place(on="roads"), "'roads', which the domain does not draw"),
    ],
)
def test_a_place_that_does_not_exist_is_refused_when_it_is_declared(place: Place, said: str) -> None:
    layer = Layer("fleet", "Fleet", "ships_latest", "ship", "speed", "at", kind="points", place=place)
    with pytest.raises(DeclarationError, match=said):
        Domain("sea", "Sea", [latest], layers=[layer], geometries=[LANES])


def test_names_of_what_is_drawn_are_used_once() -> None:
    twice = Geometry("fleet", "Fleet", "points", lambda: COAST)
    with pytest.raises(DeclarationError, match="Two layers are named 'fleet'"):
        Domain("sea", "Sea", [latest], layers=[PLACED], geometries=[LANES, twice])
    assert Domain("sea", "Sea", [latest], layers=[PLACED], geometries=[LANES]).geometries == [LANES]
