"""What tests of the map share: a ready page, and where on it a selected thing is drawn."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from itertools import pairwise

from playwright.sync_api import Page, expect

from browser.cities import City
from made_city import COLOURS, fixes

CALLOUT = ".float.chosen"
NAME = f"{CALLOUT} span"
"""The element itself has no size; the name in it has."""


def ready(page: Page) -> None:
    """The map is drawn and something is on it."""
    expect(page.get_by_role("application", name=re.compile(r"City: [1-9][\d,]* vehicles"))).to_be_visible(
        timeout=20_000
    )
    page.wait_for_timeout(400)


def spots(page: Page, seconds: float, every: int = 50) -> list[tuple[float, float, float]]:
    """Where the selected thing is drawn, frame by frame: milliseconds, x, y."""
    script = f"""async ([selector, span]) => {{
      const found = [], began = performance.now();
      while (performance.now() - began < span) {{
        const at = new DOMMatrix(getComputedStyle(document.querySelector(selector)).transform);
        found.push([performance.now(), at.e, at.f]);
        await new Promise((next) => setTimeout(next, {every}));
      }}
      return found;
    }}"""
    return [tuple(spot) for spot in page.evaluate(script, [CALLOUT, seconds * 1000])]


def address(page: Page) -> str:
    """The address as the page has it now; Playwright's own copy follows only while Playwright is asked something."""
    return str(page.evaluate("location.href"))


def metres_per_pixel(zoom: float, latitude: float = 42.36) -> float:
    return 40_075_016.7 * math.cos(math.radians(latitude)) / (512 * 2**zoom)


def off_line(page: Page, city: City, zoom: float, spot: tuple[float, float]) -> float:
    """Pixels from a drawn place to the red line, whose way on the screen follows from the view in the address."""
    found = re.search(r"map=[\d.]+(?:%2F|/)([-\d.]+)(?:%2F|/)([-\d.]+)", page.url)
    assert found is not None
    box = page.get_by_role("application").bounding_box()
    assert box is not None
    middle = project(float(found[2]), float(found[1]))
    scale = 512 * 2**zoom

    def screen(at: tuple[float, float]) -> tuple[float, float]:
        x, y = project(*at)
        return (x - middle[0]) * scale + box["width"] / 2, (y - middle[1]) * scale + box["height"] / 2

    way = [screen(point) for point in city.routes[0].points]
    return min(apart(spot, a, b) for a, b in pairwise(way))


def project(longitude: float, latitude: float) -> tuple[float, float]:
    sine = math.sin(math.radians(latitude))
    return longitude / 360 + 0.5, 0.5 - math.log((1 + sine) / (1 - sine)) / (4 * math.pi)


def apart(at: tuple[float, float], a: tuple[float, float], b: tuple[float, float]) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    share = max(0.0, min(1.0, ((at[0] - a[0]) * dx + (at[1] - a[1]) * dy) / ((dx * dx + dy * dy) or 1.0)))
    return math.hypot(at[0] - a[0] - share * dx, at[1] - a[1] - share * dy)


def far_from_ends(city: City, line: str = "red") -> str:
    """A thing of a line that drives for the next minute without coming to the end of it."""
    length = city.routes[list(COLOURS).index(line)].length
    for row in fixes(city.routes, city.things, datetime.now(UTC)):
        if row["line_id"] == line and row["state"] == "moving" and 0.1 * length < row["along"] < 0.85 * length:
            return str(row["thing_id"])
    raise AssertionError("nothing drives in the middle of the line")


def watch_closely(page: Page, city: City, zoom: float = 15) -> str:
    """The page with one driving thing selected, near enough for its motion to be measured."""
    thing = far_from_ends(city)
    row = next(row for row in fixes(city.routes, city.things, datetime.now(UTC)) if row["thing_id"] == thing)
    page.goto(f"{city.url}/map?thing={thing}&map={zoom}/{row['latitude']}/{row['longitude']}")
    ready(page)
    expect(page.locator(NAME)).to_be_visible()
    return thing
