"""What lies below the map where a style or tiles are configured: drawn, in step with the view, from nowhere else."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browser import tiles
from browser.cities import moving_city
from browser.mapped import ready
from browser.sites import AXE, opened, serious_findings, shot, wait_for
from wayside.server.background import Background

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

SHORE = (-71.06, 42.36)
LAND, WATER = (241, 239, 232), (224, 233, 236)
DARK_WATER = (20, 34, 43)
READ = """async (picture) => {
  const image = new Image();
  image.src = 'data:image/png;base64,' + picture;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const rows = [];
  for (let y = 150; y < 700; y += 50) rows.push([...context.getImageData(0, y, 1000, 1).data]);
  return rows;
}"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiles.write(tmp_path_factory.mktemp("tiles") / "shore.pmtiles", *SHORE)


@pytest.fixture(scope="module")
def at_sea(archive: Path) -> Iterator[str]:
    """A city on a shore of our own making."""
    with moving_city(8, background=Background.of("", str(archive))) as city:
        yield city.url


def rows(page: Page) -> list[list[tuple[int, int, int]]]:
    """The pixels of some rows of the map."""
    found = page.evaluate(READ, base64.b64encode(page.screenshot()).decode())
    return [[tuple(row[at : at + 3]) for at in range(0, len(row), 4)] for row in found]


def usual(page: Page, left: int, right: int) -> tuple[int, int, int]:
    """The colour that most of the map has between two columns."""
    return Counter(pixel for row in rows(page) for pixel in row[left:right]).most_common(1)[0][0]


def shore(page: Page) -> float:
    """The column at which water becomes land, in most rows."""
    ends = Counter(max((x for x, pixel in enumerate(row) if pixel == WATER), default=-1) for row in rows(page))
    return ends.most_common(1)[0][0]


def look(page: Page, url: str, zoom: float = 11.5) -> None:
    page.goto(f"{url}/map?map={zoom}/{SHORE[1]}/{SHORE[0]}")
    ready(page)
    expect(page.locator(".ground canvas")).to_have_count(1, timeout=20_000)


def test_tiles_of_our_own_lie_below_and_follow_the_view(browser: Browser, at_sea: str) -> None:
    with opened(browser, "about:blank") as watched:
        page = watched.page
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        look(page, at_sea)
        wait_for(lambda: usual(page, 20, 420) == WATER, "the water is there", 30)
        wait_for(lambda: usual(page, 640, 1000) == LAND, "the land is there", 30)
        expect(page.locator(".credits")).to_have_text("Made & drawn here")
        shot(page, "map-background")
        before = shore(page)
        middle = page.get_by_role("application").bounding_box()
        assert middle is not None
        assert abs(before - middle["width"] / 2) < 3
        page.get_by_role("application").focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(800)
        moved = before - shore(page)
        assert moved > 20
        # Lines and ground have moved by the same: the address tells the view of both.
        longitude = float(page.evaluate("new URLSearchParams(location.search).get('map').split('/')[2]"))
        assert abs((longitude - SHORE[0]) / 360 * 512 * 2**11.5 - moved) < 3
        assert all(url.startswith((at_sea, "blob:")) for url in asked), asked


def test_it_wears_the_theme(browser: Browser, at_sea: str) -> None:
    with opened(browser, "about:blank", color_scheme="dark") as watched:
        look(watched.page, at_sea)
        wait_for(lambda: usual(watched.page, 20, 420) == DARK_WATER, "the water is dark", 30)
        shot(watched.page, "map-background-dark")


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: run 'npm ci' in web/")
def test_nothing_serious_for_axe(browser: Browser, at_sea: str) -> None:
    with opened(browser, "about:blank", bypass_csp=True) as watched:
        look(watched.page, at_sea)
        assert not (serious := serious_findings(watched.page)), "\n".join(serious)


def test_a_style_of_a_file_is_drawn_as_it_is(browser: Browser, tmp_path: Path) -> None:
    style = tmp_path / "style.json"
    area = {"type": "Polygon", "coordinates": [[[-72, 42], [-71.06, 42], [-71.06, 43], [-72, 43], [-72, 42]]]}
    sources = {"west": {"type": "geojson", "data": {"type": "Feature", "properties": {}, "geometry": area}}}
    ground = {"id": "ground", "type": "background", "paint": {"background-color": "#fedcba"}}
    filled = {"id": "west", "type": "fill", "source": "west", "paint": {"fill-color": "#123456"}}
    style.write_text(json.dumps({"version": 8, "sources": sources, "layers": [ground, filled]}))
    with moving_city(4, background=Background.of(str(style), "")) as city, opened(browser, "about:blank") as watched:
        look(watched.page, city.url)
        wait_for(lambda: usual(watched.page, 20, 420) == (0x12, 0x34, 0x56), "the style is drawn", 30)
        wait_for(lambda: usual(watched.page, 640, 1000) == (0xFE, 0xDC, 0xBA), "all of it is drawn", 30)


def test_without_one_nothing_of_it_is_loaded(browser: Browser) -> None:
    with moving_city(4) as city, opened(browser, "about:blank") as watched:
        asked: list[str] = []
        watched.page.on("request", lambda request: asked.append(request.url))
        watched.page.goto(f"{city.url}/map")
        ready(watched.page)
        expect(watched.page.locator(".ground")).to_have_count(0)
        assert not [url for url in asked if "background" in url or "maplibre" in url]


def test_tiles_that_are_gone_leave_the_plain_ground(browser: Browser, tmp_path: Path) -> None:
    archive = tiles.write(tmp_path / "gone.pmtiles", *SHORE)
    with moving_city(4, background=Background.of("", str(archive))) as city, opened(browser, "about:blank") as watched:
        archive.unlink()
        watched.page.goto(f"{city.url}/map?map=11.5/{SHORE[1]}/{SHORE[0]}")
        ready(watched.page)
        expect(watched.page.locator(".credits")).to_have_text("The background cannot be shown here.")
        wait_for(lambda: usual(watched.page, 20, 420) == LAND, "the ground is plain", 30)
        watched.forgive("404")
