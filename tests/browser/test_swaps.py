"""A timetable that was replaced: the map, the board and the line of before show lines and stops as they were."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.cities import PAGES
from browser.mapped import CALLOUT, project
from browser.sites import DESKTOP, opened, shot
from server_site import Site
from tests.domains.transit import samples
from tests.domains.transit.test_swapping import packed
from wayside.clock import ManualClock
from wayside.domain import Plan
from wayside_domains.transit import Network, Transit
from wayside_domains.transit.swapping import Swap
from wayside_domains.transit.times import anchor, text_of

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
MINUTE = timedelta(minutes=1)
OLD, NEW = (0.0, 1.01), (0.004, 1.011)
"""Where the stop B was, and where it is; the line is straight along the equator, and bends to it."""
WAY = [(1.0, 0.0), (1.01, 0.004), (1.02, 0.004), (1.03, 0.0)]
ZOOM, MIDDLE = 14.0, (0.002, 1.015)
ORANGE = (255, 136, 0)
OFF = 0.0003
"""Degrees by which the vehicle says to be north of its line: seven pixels."""


class Swapped:
    """A line that ran straight until ten minutes ago, and on which one vehicle drives for 50 minutes."""

    def __init__(self, folder: Path) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.first, self.swap = self.now - 30 * MINUTE, self.now - 10 * MINUTE
        self.then = self.now - 15 * MINUTE
        self.starts = self.now - 40 * MINUTE
        self.day = self.starts.astimezone(ZoneInfo("Europe/Berlin")).date()
        self.path, clock = folder / "gtfs.zip", ManualClock(self.first)
        self.network = Network("x", "X", self.path)
        chore = Swap(self.network, clock)
        self.write(self.tables(samples.TABLES["shapes.txt"], samples.TABLES["stops.txt"]), self.first)
        chore(folder / "own")
        clock.advance((self.swap - self.first).total_seconds())
        bent = "".join(f"line,{lat},{lon},{number}\n" for number, (lon, lat) in enumerate(WAY))
        stops = samples.TABLES["stops.txt"].replace("Bee,0.0,1.01", f"Bee Park,{NEW[0]},{NEW[1]}")
        self.write(self.tables(f"shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\n{bent}", stops), self.swap)
        chore(folder / "own")

    def write(self, content: bytes, at: datetime) -> None:
        self.path.write_bytes(content)
        os.utime(self.path, ns=(int(at.timestamp() * 1e9),) * 2)

    def tables(self, shapes: str, stops: str) -> bytes:
        """One trip, whose times may lie beyond midnight."""
        zero = (self.starts - anchor(self.day, "Europe/Berlin")).total_seconds()
        times = [zero + minutes * 60 for minutes in (0, 17, 34, 50)]
        calls = [
            f"t,{text(at)},{text(at)},{stop},{n}\n" for n, (at, stop) in enumerate(zip(times, "ABCD", strict=True))
        ]
        trips = "trip_id,route_id,service_id,trip_headsign,direction_id,shape_id\nt,R,daily,Dee,0,line\n"
        head = "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n"
        calendar = samples.TABLES["calendar.txt"].replace("20260101", "20200101").replace("20261231", "20991231")
        times_of = head + "".join(calls)
        return packed(shapes=shapes, stops=stops, trips=trips, stop_times=times_of, calendar=calendar)

    def positions(self) -> list[dict[str, Any]]:
        """Every twenty seconds; beside the line of that time."""
        found, at = [], self.starts
        while at <= self.now:
            longitude = 1.0 + 0.03 * (at - self.starts) / (50 * MINUTE)
            latitude = OFF + (height(longitude) if at >= self.swap else 0.0)
            place = {"latitude": latitude, "longitude": longitude, "trip_id": "t", "start_date": text_of(self.day)}
            found.append({"network": "x", "vehicle_id": "v", "timestamp": at.isoformat(), "removed": False, **place})
            at += timedelta(seconds=20)
        return found


def text(second: float) -> str:
    """A second of a service day as a timetable writes it."""
    return f"{int(second) // 3600:02d}:{int(second) // 60 % 60:02d}:{int(second) % 60:02d}"


def height(longitude: float) -> float:
    """The latitude of the line that bends."""
    (x0, y0), (x1, y1) = next(pair for pair in pairwise(WAY) if longitude <= pair[1][0])
    return y0 + (y1 - y0) * (longitude - x0) / (x1 - x0)


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Swapped, Site]]:
    made = Swapped(tmp_path_factory.mktemp("swapped"))
    domain = Transit("x", "X", made.network, zone="Europe/Berlin").domain()
    with Site(pages=PAGES, plan=Plan.of([domain])) as site:
        answer = site.post(made.positions(), "/v1/topics/vehicle_positions/records")
        assert answer.json()["accepted"] == len(made.positions())
        site.settle()
        yield made, site


def address(site: Site, page: str, at: datetime | None, **more: str) -> str:
    given = {**more, **({"at": f"{at:%Y-%m-%dT%H:%M:%SZ}"} if at else {})}
    return f"{site.base}/{page}?" + "&".join(f"{name}={value}" for name, value in given.items())


def pixel(latitude: float, longitude: float) -> tuple[float, float]:
    """Where on the map of these tests a place is, from its corner."""
    (x, y), (left, top) = project(longitude, latitude), project(MIDDLE[1], MIDDLE[0])
    scale = 512 * 2**ZOOM
    return (x - left) * scale, (y - top) * scale


def away(page: Page, selector: str, latitude: float, longitude: float) -> float:
    """Pixels from where something floats to where a place is; far where it does not float."""
    script = """selector => {
      const [found, map] = [document.querySelector(selector), document.querySelector('[role=application]')];
      if (!found) return null;
      const at = new DOMMatrix(getComputedStyle(found).transform);
      return [at.e - map.clientWidth / 2, at.f - map.clientHeight / 2];
    }"""
    at, wanted = page.evaluate(script, selector), pixel(latitude, longitude)
    return 1e9 if at is None else float(max(abs(at[0] - wanted[0]), abs(at[1] - wanted[1])))


def painted(page: Page, latitude: float, longitude: float) -> bool:
    """Whether the line is drawn there."""
    script = """([x, y]) => {
      const map = document.querySelector('[role=application]'), still = map.querySelector('canvas');
      const [left, top] = [map.clientWidth / 2 + x, map.clientHeight / 2 + y];
      return [...still.getContext('2d').getImageData(Math.round(left), Math.round(top), 1, 1).data];
    }"""
    seen = page.evaluate(script, list(pixel(latitude, longitude)))
    return all(abs(a - b) < 40 for a, b in zip(seen, ORANGE, strict=False))


def straight(page: Page) -> tuple[bool, bool]:
    """Whether the line is drawn where it was, and where it is: at a place that no stop or vehicle hides."""
    return painted(page, 0.0, 1.0175), painted(page, 0.004, 1.0175)


def until(page: Page, done: Any, what: str) -> None:
    for _ in range(200):
        if done():
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{what}: not within 20 s")


def choose(page: Page, at: datetime) -> None:
    """Another moment by hand, without loading the page anew."""
    local = at.astimezone(ZoneInfo("Europe/Berlin"))
    page.get_by_label("Moment on the place's clock").fill(f"{local:%Y-%m-%dT%H:%M:%S}")


def test_the_map_of_then_has_lines_stops_and_vehicles_where_they_were(
    browser: Browser, swapped: tuple[Swapped, Site]
) -> None:
    made, site = swapped
    view = f"{ZOOM:g}/{MIDDLE[0]}/{MIDDLE[1]}"
    with opened(browser, "about:blank", viewport=DESKTOP, device_scale_factor=1) as watched:
        page, asked = watched.page, []
        page.on("request", lambda request: asked.append(request.url) if "/v1/layers/" in request.url else None)
        page.goto(address(site, "map", made.then, place="x/B", map=view))
        title = page.locator("article h1")
        expect(title).to_have_text("Bee", timeout=20_000)
        until(page, lambda: away(page, ".float.flag", *OLD) < 3, "the stop is where it was")
        until(page, lambda: straight(page) == (True, False), "the line is where it was")
        shot(page, "swap-then")
        # The vehicle is on the line of then, and not where it says to be.
        page.goto(address(site, "map", made.then, thing="v", map=view))
        where = 1.0 + 0.03 * 25 / 50
        until(page, lambda: away(page, CALLOUT, 0.0, where) < 3, "the vehicle is on the line of then")
        shot(page, "swap-then-vehicle")
        asked.clear()
        later = made.swap + 4 * MINUTE
        where = 1.0 + 0.03 * 34 / 50
        choose(page, later)
        until(page, lambda: straight(page) == (False, True), "the line is where it is")
        until(page, lambda: away(page, CALLOUT, height(where), where) < 3, "the vehicle is on the line of now")
        assert asked == [], "what is there now is known"
        choose(page, made.then)
        until(page, lambda: straight(page) == (True, False), "the line is where it was, once more")
        assert asked == [], "and so is what was there then"
        page.get_by_role("complementary", name="The past").get_by_role("button", name="Back to now").click()
        until(page, lambda: straight(page) == (False, True), "leaving the past shows what is there now")


def test_before_anything_is_kept_the_oldest_stands_in_and_that_is_said(
    browser: Browser, swapped: tuple[Swapped, Site]
) -> None:
    made, site = swapped
    early = made.first - 5 * MINUTE
    with opened(browser, address(site, "map", early, map=f"{ZOOM:g}/{MIDDLE[0]}/{MIDDLE[1]}")) as watched:
        page = watched.page
        said = page.get_by_text("The timetable of that moment is not kept")
        expect(said).to_have_count(1, timeout=20_000)
        until(page, lambda: straight(page) == (True, False), "the line is where it was")
        shot(page, "swap-early")
        page.goto(address(site, "map", early, place="x/B"))
        expect(page.locator("article h1")).to_have_text("Bee", timeout=20_000)
        expect(page.locator("article").get_by_text("The timetable of that moment is not kept")).to_be_visible()
        expect(said).to_have_count(1)


@pytest.mark.parametrize(("page_of", "heading"), [("board", "h1"), ("lines", "option")])
def test_boards_and_lines_of_then_have_the_stops_of_then(
    browser: Browser, swapped: tuple[Swapped, Site], page_of: str, heading: str
) -> None:
    made, site = swapped
    given = {"place": "x/B"} if page_of == "board" else {"line": "R", "place": "x/B"}
    with opened(browser, address(site, page_of, made.then, **given)) as watched:
        page = watched.page
        found = page.locator(f"main {heading}")
        expect(found.get_by_text(re.compile("^Bee$")) if heading == "option" else found).to_have_text(
            "Bee", timeout=20_000
        )
        if page_of == "lines":
            expect(page.locator("svg g:not(.plan)").first).to_be_attached(timeout=20_000)
        shot(page, f"swap-{page_of}")
        page.get_by_role("complementary", name="The past").get_by_role("button", name="Back to now").click()
        text = found.get_by_text(re.compile("^Bee Park$")) if heading == "option" else found
        expect(text).to_have_text("Bee Park", timeout=20_000)
        if page_of == "lines":
            expect(page.get_by_text("this way was another one: what ran on that is not drawn")).to_be_visible(
                timeout=20_000
            )
            shot(page, "swap-lines-now")
