"""What lies where: declared geometries, and layers of points, as GeoJSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
import pytest

from server_site import COAST, Site
from wayside.domain import Domain, Geometry, Layer, Place, Topic
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
    first = kept.get(geometry)
    assert kept.get(geometry) is first
    versions.append({"type": "FeatureCollection", "features": []})
    assert kept.get(geometry).etag != first.etag
    assert kept.get(geometry).body == b'{"type":"FeatureCollection","features":[]}'


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
