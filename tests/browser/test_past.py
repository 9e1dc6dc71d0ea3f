"""The past in the page: that it is the past is unmistakable, all parts of it are of one moment, and it can be left."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from browser.halcyon import THINGS, came_by, under_way, vehicles
from browser.sites import AXE, PHONE, Site, clock_of, opened, readings, running, serious_findings, shot, wait_for
from browser.test_boards import row_texts
from browser.test_headways import done
from wayside_domains.metro.network import stations
from wayside_domains.metro.simulation import Clockwork, Listed, Sky, Trains, Turnstiles
from wayside_domains.transit import city

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
BUSY = {"title": "Service Unavailable", "status": 503, "detail": "The question took longer than 10 s."}
HANDHELD: dict[str, Any] = {"viewport": PHONE, "is_mobile": True, "has_touch": True}
SINCE, EVERY = timedelta(minutes=40), timedelta(seconds=25)


class Told:
    """What was said by when: forty minutes of the city and of the lines."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.now = datetime.now(UTC).replace(microsecond=0)
        early = self.now - timedelta(minutes=15)
        self.then = early - timedelta(seconds=early.second % 30)  # trips nobody hears are asked for by half minutes
        self.counted: dict[int, int] = {}
        self.positions()
        self.lines()

    def post(self, topic: str, rows: list[dict[str, Any]]) -> None:
        for start in range(0, len(rows), 1_000):
            part = rows[start : start + 1_000]
            answer = httpx2.post(f"{self.site.url}/v1/topics/{topic}/records", json=part, timeout=60)
            assert (answer.status_code, answer.json()["accepted"]) == (202, len(part)), answer.text

    def positions(self) -> None:
        """Of those under way at `then`, every ninth never speaks and every fourth fell silent 105 seconds before."""
        at = self.now - SINCE
        world, rows, moving = vehicles(), [], under_way(self.then, at)
        under_way(self.now, at)  # else boards of `then` may be empty
        never, falling = set(moving[::9]), set(moving[1::4])
        while at < self.now:
            for thing in range(THINGS):
                said = [dict(message) for message in world.messages(thing, at)]
                if thing not in never and (thing not in falling or at < self.then - timedelta(seconds=105)):
                    rows += said
            at += EVERY
        self.said = len(rows)
        self.post("vehicle_positions", rows)

    def lines(self) -> None:
        clockwork = Clockwork()
        people = Turnstiles(clockwork, random.Random(50), "America/Chicago", self.counted)
        trains, sky = Trains(clockwork, random.Random(50)), Sky(clockwork, random.Random(50))
        listed = Listed(clockwork, random.Random(50))
        self.post(
            "org.chicago.cta.stations",
            [dict(m) for n in range(len(listed.things())) for m in listed.messages(n, self.now)],
        )
        self.at_then: dict[int, int] = {}
        steps = [self.then + timedelta(minutes=minutes) for minutes in range(-25, 15, 5)]
        for at in (*steps, self.now):
            said = [dict(m) for thing in range(len(stations())) for m in people.messages(thing, at)]
            self.post("org.chicago.cta.station.turnstile.v1", said)
            self.at_then = dict(self.counted) if at == self.then else self.at_then
            self.post("org.chicago.cta.station.arrivals", [dict(m) for n in range(30) for m in trains.messages(n, at)])
            self.post("org.chicago.cta.weather.v1", [dict(m) for m in sky.messages(0, at)])

    @property
    def at(self) -> str:
        return f"{self.then:%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("past")
    command = ("up", "--domains", "transit,metro", "--data-dir", str(folder / "data"))
    with running(folder, *command) as site:
        found = Told(site)
        wait_for(lambda: total(site.get("/api/metro/board")) == sum(found.counted.values()), "all are counted", 90)
        wait_for(lambda: done(site, found.said), "the engine is through", 90)
        yield found


def total(board: dict[str, Any]) -> int:
    return sum(row["entries"] for group in board["groups"] for row in group["rows"])


def entered(page: Page) -> int:
    """Entries of all stations that are shown."""
    rows = [row for line in ("Blue", "Red", "Green") for row in row_texts(page, line)]
    return sum(int(row[-1].replace(",", "")) for row in rows)


def strip(page: Page) -> Any:
    return page.get_by_role("complementary", name="The past")


def test_the_status_board_of_then(browser: Browser, told: Told) -> None:
    with opened(browser, f"{told.site.url}/status?at={told.at}") as watched:
        page = watched.page
        expect(page.get_by_role("table", name="Blue").locator("tbody tr").first).to_be_visible(timeout=20_000)
        expect(strip(page)).to_contain_text(clock_of(told.then, "America/Chicago"))
        expect(strip(page)).to_contain_text(re.compile(r"\d\d min ago"))
        wait_for(lambda: entered(page) == sum(told.at_then.values()), "the entries of then", 20)
        expect(page.get_by_text("the total of now, less the entries since")).to_be_visible()
        late = page.locator(".what .time").all_inner_texts()
        assert late
        assert set(late) <= readings(told.then, "America/Chicago", before=7_200), "nothing of after that moment"
        shot(page, "past-status")
        strip(page).get_by_role("button").click()
        expect(strip(page)).to_have_count(0)
        expect(page.get_by_text("the total of now, less the entries since")).to_have_count(0, timeout=15_000)
        assert "at=" not in page.evaluate("location.search")
        wait_for(
            lambda: (
                sum(int(row[-1].replace(",", "")) for line in ("Blue", "Red", "Green") for row in row_texts(page, line))
                == sum(told.counted.values())
            ),
            "the entries of now",
        )


def test_ghosts_and_stale_vehicles_of_then(browser: Browser, told: Told) -> None:
    silent = told.site.get("/api/transit/silent", at=told.at)["rows"]
    assert silent
    tall = {"width": 1440, "height": 4_000}  # all rows are in the document, also at the hour when most run
    with opened(browser, f"{told.site.url}/map?view=list&at={told.at}", viewport=tall) as watched:
        page = watched.page
        expect(strip(page)).to_be_visible(timeout=20_000)
        rows = page.locator("table tbody tr")
        lines = told.site.get("/api/transit/lines", at=told.at)["rows"]
        stale = sum(row["stale"] for row in lines)
        assert stale, "some had not spoken for a while"
        number = page.get_by_text(re.compile(r"^\s*without signal\s*\d+"))

        def without_signal() -> bool:
            """Those two, and who is stale between two trips."""
            found = re.search(r"\d+", number.inner_text())
            return found is not None and 0 <= int(found[0]) - len(silent) - stale < 8

        wait_for(without_signal, "as many as the server knows", 30)
        ghosts = rows.filter(has_text="scheduled, no signal")
        expect(ghosts.first).to_be_visible()
        named = {row["headsign"] for row in silent}
        assert {cells[1] for cells in row_texts(page, "Transit in words") if "not heard of" in cells[0]} <= named
        shot(page, "past-ghosts-list")
        # What is stale then had spoken a minute and three quarters before, and not a quarter of an hour ago.
        last = row_texts(page, "Transit in words")
        assert {cells[-1] for cells in last} <= readings(told.then, city.ZONE, before=600)
        lately = readings(told.then, city.ZONE, before=100)
        early = next(cells for cells in last if cells[-1] not in lately)
        page.get_by_role("link", name=early[0].split()[-1]).click()
        expect(page.locator("article")).to_contain_text(re.compile(r"No word for [12] min: the mark stays"))
        shot(page, "past-stale")
        ghost = silent[0]["vehicle_id"]
        # A server that is busy refuses the question at first; it is asked again.
        page.route("**/api/transit/silent?**", lambda route: route.fulfill(status=503, json=BUSY), times=1)
        page.goto(f"{told.site.url}/map?thing={ghost}&at={told.at}")
        expect(page.locator("article")).to_contain_text("the mark shows where it should be", timeout=30_000)
        shot(page, "past-ghost")
        watched.forgive("503")


def test_map_board_and_chart_move_together_with_the_slider(browser: Browser, told: Told) -> None:
    place = "halcyon/central"
    with opened(browser, f"{told.site.url}/map?place={place}&at={told.at}") as watched:
        page = watched.page
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        expect(page.get_by_role("application", name=re.compile("[1-9].* vehicles at "))).to_be_visible(timeout=30_000)
        departures = page.locator("article table tbody tr")
        expect(departures.first).to_be_visible(timeout=20_000)
        shot(page, "past-map-place")
        slider = page.get_by_role("slider", name="Moment that is shown")
        before = (departures.all_inner_texts(), slider.get_attribute("aria-valuetext"), strip(page).inner_text())
        slider.focus()
        for _ in range(30):  # ten seconds each
            page.keyboard.press("ArrowLeft")
        earlier = told.then - timedelta(minutes=5)
        said = clock_of(earlier, city.ZONE)
        expect(strip(page)).to_contain_text(said[:6])
        wait_for(lambda: departures.all_inner_texts() != before[0], "the board of the card moves", 20)
        search = "decodeURIComponent(location.search)"
        wait_for(lambda: f"at={earlier:%Y-%m-%dT%H:%M}" in page.evaluate(search), "the address has it", 5)
        assert any("/api/transit/calls" in url and "at=" in url for url in asked)
        # The same moment on the board, on the line with its charts, and on the status board.
        clock = strip(page).locator(".when").inner_text().split(", ")[-1]  # without the day, which midnight may bring
        page.get_by_role("link", name="The whole board of this stop").click()
        expect(strip(page).locator(".when")).to_contain_text(clock)
        expect(page.locator("section.line tbody tr").first).to_be_visible(timeout=20_000)
        moment = re.search(r"at=([^&]+)", page.evaluate(search))
        assert moment is not None
        wanted = told.site.get("/api/transit/calls", place=place, before=5, ahead=30, at=moment[1])["rows"]
        expect(page.locator("section.line tbody tr")).to_have_count(len(wanted))
        page.get_by_role("link", name="Lines", exact=True).click()
        expect(strip(page).locator(".when")).to_contain_text(clock)
        late = came_by(page, told.site, moment[1])
        expect(page.locator("svg g:not(.plan)").first).to_be_attached(timeout=30_000)
        assert {row[1] for row in late} <= readings(earlier, city.ZONE, before=3_700)
        # Leaving it on one page leaves it on all.
        strip(page).get_by_role("button", name="Back to now").click()
        expect(strip(page)).to_have_count(0)
        page.get_by_role("link", name="Map", exact=True).click()
        expect(page.get_by_role("button", name="Live", exact=True)).to_be_visible(timeout=20_000)
        expect(strip(page)).to_have_count(0)
        # Each step of the slider is a question. A busy machine may refuse one for its time; the page asks again.
        watched.forgive("503 (Service Unavailable)")


def test_the_strip_follows_while_the_past_plays_and_leads_back(browser: Browser, told: Told) -> None:
    with opened(browser, f"{told.site.url}/map?at={told.at}") as watched:
        page = watched.page
        expect(strip(page)).to_be_visible(timeout=20_000)
        when = strip(page).locator(".when")
        before = when.inner_text()
        page.get_by_role("button", name="60×").click()
        page.get_by_role("button", name="Play").click()
        wait_for(lambda: when.inner_text() != before, "the strip goes on with the map")
        page.get_by_role("button", name="Pause").click()
        strip(page).get_by_role("button", name="Back to now").click()
        expect(page.get_by_role("button", name="Live", exact=True)).to_be_visible()
        expect(strip(page)).to_have_count(0)
        assert "at=" not in page.evaluate("location.search")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/map", "[role=application]"),
        ("/board?place=halcyon/central", "main h1"),
        ("/lines?line=M1", "main h1"),
        ("/status", "main table"),
    ],
)
def test_moments_that_are_none_are_said_to_be_so(browser: Browser, told: Told, path: str, shown: str) -> None:
    glue = "&" if "?" in path else "?"
    ahead = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for text, words in ((ahead, "has not come yet"), ("yesterday", "cannot be read, “yesterday”")):
        with opened(browser, f"{told.site.url}{path}{glue}at={text}") as watched:
            page = watched.page
            expect(page.locator(shown).first).to_be_visible(timeout=20_000)
            said = page.get_by_role("complementary", name="The moment asked for")
            expect(said).to_contain_text("This is now")
            expect(said).to_contain_text(words)
            expect(strip(page)).to_have_count(0)
            said.get_by_role("button").click()
            expect(said).to_have_count(0)


def test_before_the_first_record_that_nothing_is_known_is_said(browser: Browser, told: Told) -> None:
    early = "2020-01-05T12:00:00Z"
    says = {
        "/map": re.compile("Nothing was heard at"),
        "/board?place=halcyon/central": "Nothing is kept of what was heard around that moment",
        "/lines?line=M1": "No vehicle reported from this way in this time",
        "/status": "nothing had been heard by then",
    }
    for path, words in says.items():
        glue = "&" if "?" in path else "?"
        with opened(browser, f"{told.site.url}{path}{glue}at={early}") as watched:
            page = watched.page
            expect(strip(page)).to_contain_text("2020-01-05", timeout=20_000)
            expect(page.get_by_text(words).first).to_be_visible(timeout=20_000)
            shot(page, f"past-none-{path[1:].split('?')[0]}")


@pytest.mark.parametrize(
    ("device", "theme"),
    [
        ("desktop", "light"),
        ("phone", "dark"),
        pytest.param("desktop", "dark", marks=pytest.mark.slow),
        pytest.param("phone", "light", marks=pytest.mark.slow),
    ],
)
def test_that_it_is_the_past_is_seen_on_every_page(browser: Browser, told: Told, theme: Any, device: str) -> None:
    options: dict[str, Any] = {"color_scheme": theme, "bypass_csp": True} | (HANDHELD if device == "phone" else {})
    with opened(browser, "about:blank", **options) as watched:
        page = watched.page
        for path in ("map", "board", "lines", "status"):
            page.goto(f"{told.site.url}/{path}?at={told.at}" + ("&place=halcyon/central" if path == "board" else ""))
            expect(strip(page)).to_be_visible(timeout=20_000)
            page.wait_for_timeout(1_500)
            box = strip(page).bounding_box()
            assert box is not None
            assert box["y"] + box["height"] < 160
            assert page.evaluate("document.documentElement.scrollWidth") <= (page.viewport_size or {})["width"]
            shot(page, f"past-{path}-{device}-{theme}")
            if AXE.is_file() and device == "desktop":
                assert not (serious := serious_findings(page)), "\n".join(serious)
        watched.forgive("CSP violation")
