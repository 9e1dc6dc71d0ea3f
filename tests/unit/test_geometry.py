"""Lines on the ground, compared with distances that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wayside.geometry import LineString, distance, rounded

DEGREE = 111_195.0
# East for a kilometre, then north for a kilometre, at the equator.
CORNER = LineString([0, 0, 1000 / DEGREE], [0, 1000 / DEGREE, 1000 / DEGREE])


def test_distances_are_those_of_the_sphere() -> None:
    assert float(distance(0, 0, 1, 0)) == pytest.approx(DEGREE, rel=1e-4)
    # Boston to New York is 306 km as the crow flies.
    assert float(distance(42.3601, -71.0589, 40.7128, -74.0060)) == pytest.approx(306_100, rel=2e-3)
    assert distance([0, 10], [0, 10], [0, 10], [0, 10]).tolist() == [0.0, 0.0]


def test_length_places_and_bearings() -> None:
    assert CORNER.length == pytest.approx(2000, rel=1e-3)
    lat, lon, bearing = CORNER.at([-5, 500, 1500, 99_999])
    assert lat * DEGREE == pytest.approx([0, 0, 500, 1000], abs=1)
    assert lon * DEGREE == pytest.approx([0, 500, 1000, 1000], abs=1)
    assert bearing == pytest.approx([90, 90, 0, 0], abs=0.01)


def test_bearings_go_clockwise_from_north_and_a_pause_keeps_its_direction() -> None:
    for lat, lon, bearing in ((1, 0, 0), (0, 1, 90), (-1, 0, 180), (0, -1, 270)):
        assert float(LineString([0, lat], [0, lon]).at(1)[2]) == pytest.approx(bearing, abs=1e-6)
    still = LineString([0, 0, 0, 0], [0, 1, 1, 2])
    assert still.at(still.along[1])[2] == pytest.approx(90)


def test_a_place_beside_the_line_is_found() -> None:
    found = CORNER.locate(20 / DEGREE, 300 / DEGREE)
    assert found.along == pytest.approx(300, abs=1)
    assert found.off == pytest.approx(20, abs=0.1)
    assert CORNER.locate(0, 300 / DEGREE, after=1200).along == pytest.approx(1200, abs=2)


def test_a_line_that_comes_by_twice_is_found_twice() -> None:
    there_and_back = LineString([0, 0, 0.0001, 0.0001], [0, 0.01, 0.01, 0])
    along = [place.along for place in there_and_back.passes(0.00005, 0.002, 50)]
    assert along == pytest.approx([0.002 * DEGREE, 0.018 * DEGREE + 0.0001 * DEGREE], abs=2)
    assert there_and_back.passes(1, 1, 50) == []
    second = there_and_back.locate(0.00005, 0.002, after=0.01 * DEGREE)
    assert second.along == pytest.approx(along[1], abs=1)


def test_a_part_has_both_of_its_ends() -> None:
    lat, lon = CORNER.part(500, 1500)
    assert len(lat) == 3
    assert LineString(lat, lon).length == pytest.approx(1000, rel=1e-3)


@pytest.mark.parametrize(
    ("lat", "lon"), [([0], [0]), ([], []), ([0, 1], [0]), ([0, math.nan], [0, 1]), ([0, 1], [0, math.inf])]
)
def test_what_is_no_line_is_refused(lat: list[float], lon: list[float]) -> None:
    with pytest.raises(ValueError, match="line"):
        LineString(lat, lon)


@given(
    st.lists(st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)), min_size=2, max_size=30),
    st.floats(0, 1),
)
def test_what_lies_on_the_line_is_found_on_it(places: list[tuple[float, float]], share: float) -> None:
    line = LineString([50 + lat for lat, _ in places], [8 + lon for _, lon in places])
    lat, lon, _ = line.at(share * line.length)
    found = line.locate(float(lat), float(lon))
    assert found.off < 0.01
    assert 0 <= found.along <= line.length
    back = line.at(found.along)
    assert float(distance(lat, lon, back[0], back[1])) < 0.05


@given(
    st.lists(st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)), min_size=2, max_size=40), st.floats(0.5, 500)
)
def test_a_line_with_fewer_places_stays_within_its_tolerance(
    places: list[tuple[float, float]], tolerance: float
) -> None:
    line = LineString([50 + lat for lat, _ in places], [8 + lon for _, lon in places])
    lat, lon = rounded(line, tolerance)
    assert (lat[0], lat[-1]) == (line.lat[0], line.lat[-1])
    fewer = LineString(lat, lon)
    off = max(fewer.locate(y, x).off for y, x in zip(line.lat, line.lon, strict=True))
    assert off <= tolerance * 1.01 + 0.01


def test_a_straight_line_needs_its_ends_only() -> None:
    straight = LineString(np.linspace(0, 1, 50), np.linspace(0, 0, 50))
    assert len(rounded(straight, 0.1)[0]) == 2
