"""A station where not everything goes as planned: cancelled, skipped, added and changed, each said in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from browser.cities import PAGES
from browser.sites import AXE, PHONE, opened, serious_findings, shot, wait_for
from server_site import Plain, Site
from tests.domains.transit import samples
from wayside.domain import Plan
from wayside_domains.transit import Network, Transit
from wayside_domains.transit.gtfs import read_gtfs
from wayside_domains.transit.times import anchor, clock_of, text_of

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

BERLIN = "Europe/Berlin"
HANDHELD: dict[str, Any] = {"viewport": PHONE, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}
TOWARD = "Dee and the Far Shore"
LEAVES = {"asplanned": 6, "cancelled": 12, "skipping": 18, "changed": 24}
"""Minutes from the start of the test until a trip of the timetable leaves A; B, C and D follow two minutes apart."""


class Station:
    """A server with a small timetable of the next half hour, and a feed that says what is otherwise."""

    def __init__(self, folder: Path) -> None:
        now = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        self.start = now
        self.day = now.astimezone(ZoneInfo(BERLIN)).date()
        zero = int((now - anchor(self.day, BERLIN)).total_seconds())
        times = ["trip_id,arrival_time,departure_time,stop_id,stop_sequence"]
        for trip, minutes in LEAVES.items():
            for number, stop in enumerate("ABCD"):
                at = clock_of(zero + 60 * (minutes + 2 * number))
                times.append(f"{trip},{at},{at},{stop},{number + 1}")
        trips = ["trip_id,route_id,service_id,trip_headsign,direction_id,shape_id,block_id"]
        trips += [f"{trip},R,weekday,{TOWARD},0,line," for trip in LEAVES]
        dates = f"service_id,date,exception_type\nweekday,{text_of(self.day)},1\n"
        tables = samples.folder(
            folder, stop_times="\n".join(times) + "\n", trips="\n".join(trips) + "\n", calendar=None,
            calendar_dates=dates,
        )  # fmt: skip
        own = Transit("own", "Own", Network("x", "X", lambda: read_gtfs(tables, "x")), zone=BERLIN)
        own.predictions.feed("told", Plain())
        own.positions.feed("seen", Plain())
        self.site = Site(pages=PAGES, plan=Plan.of([own.domain()]))

    def at(self, minutes: float) -> datetime:
        return self.start + timedelta(minutes=minutes)

    def clock(self, minutes: float) -> str:
        """What a clock at the station shows then."""
        return f"{self.at(minutes).astimezone(ZoneInfo(BERLIN)):%H:%M}"

    def post(self, topic: str, rows: list[dict[str, Any]]) -> None:
        answer = self.site.post(rows, f"/v1/topics/{topic}/records")
        assert answer.status_code == 202, answer.text

    def tell(self) -> None:
        """What the feed says."""
        now = {"network": "x", "timestamp": datetime.now(UTC).isoformat(), "removed": False}
        head = {**now, "start_date": text_of(self.day)}
        rows = [
            {**head, "trip_id": "cancelled", "call": "trip", "relationship": "CANCELED"},
            {**head, "trip_id": "skipping", "call": "2", "stop_sequence": 2, "stop_id": "B", "relationship": "SKIPPED"},
        ]
        for trip, word, minutes in (("extra", "NEW", 9), ("changed", "REPLACEMENT", 29)):
            own = {"trip_id": trip, "trip_relationship": word, "relationship": word, "route_id": "R", "direction_id": 0}
            own |= {"headsign": TOWARD} if trip == "extra" else {}
            for number, stop in enumerate("ABD"):
                at, call = self.at(minutes + 2 * number).isoformat(), {"call": str(number), "stop_sequence": number}
                due = {"planned_departure": self.at(24 + 2 * number).isoformat()} if trip == "changed" else {}
                rows.append({**head, **own, **call, **due, "stop_id": stop, "arrival": at, "departure": at})
        self.post("stop_predictions", rows)
        place = {"latitude": 0.0, "longitude": 1.001, "stop_id": "A", "stop_sequence": 0, "status": "stopped"}
        on = {"vehicle_id": "v9", "trip_id": "extra", "start_date": text_of(self.day), "relationship": "NEW"}
        self.post("vehicle_positions", [{**now, **place, **on, "route_id": "R", "label": "4711"}])

    def rows(self, stop: str) -> list[dict[str, Any]]:
        """What the page is told of a stop."""
        return list(self.site.client.get("/api/own/calls", params={"place": f"x/{stop}"}).json()["rows"])


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    made = Station(tmp_path_factory.mktemp("gtfs"))
    with made.site:
        made.tell()
        wait_for(lambda: len(made.rows("B")) == 5, "the board knows what is otherwise", 30)
        yield made


def lines(table: Locator) -> list[list[str]]:
    script = "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.replace(/\\s+/g, ' ').trim()))"
    return list(table.locator("tbody tr").evaluate_all(script))


def struck(table: Locator) -> list[str]:
    """What is struck through, row by row."""
    script = "rows => rows.map(row => [...row.querySelectorAll('s')].map(s => s.innerText).join(' '))"
    return [" ".join(text.split()) for text in table.locator("tbody tr").evaluate_all(script)]


def board(page: Page, station: Station, stop: str) -> Locator:
    page.goto(f"{station.site.base}/board?place=x/{stop}&ahead=60")
    table = page.get_by_role("table", name=f"To {TOWARD}")
    expect(table.locator("tbody tr").first).to_be_visible(timeout=20_000)
    return table


def test_each_change_is_said_in_words_and_the_plan_is_struck_through(browser: Browser, station: Station) -> None:
    with opened(browser, "about:blank") as watched:
        table = board(watched.page, station, "B")
        said, old = lines(table), struck(table)
        assert [row[0] for row in said] == [TOWARD, f"{TOWARD} added", TOWARD, TOWARD, f"{TOWARD} changed"]
        planned, expected = f"planned {station.clock(26)}", f"expected {station.clock(31)}"
        assert [row[1] for row in said] == [
            station.clock(8), f"expected {station.clock(11)}", f"planned {station.clock(14)}",
            f"planned {station.clock(20)}", f"{planned} {expected}",
        ]  # fmt: skip
        assert old == ["", "", f"planned {station.clock(14)}", f"planned {station.clock(20)}", planned]
        assert [row[2] for row in said] == ["planned", "expected", "cancelled", "cancelled", "5 min late"]
        assert [row[3] for row in said][2:4] == ["–", "–"]
        shot(watched.page, "changes")


def test_who_skips_a_stop_calls_at_the_next_and_who_was_changed_may_not(browser: Browser, station: Station) -> None:
    with opened(browser, "about:blank") as watched:
        said = lines(board(watched.page, station, "C"))
        assert [row[1] for row in said] == [
            station.clock(10), f"planned {station.clock(16)}", station.clock(22)
        ], "neither the added trip nor the changed one calls there"  # fmt: skip


def test_the_card_on_the_map_says_the_same(browser: Browser, station: Station) -> None:
    with opened(browser, f"{station.site.base}/map?place=x/B") as watched:
        table = watched.page.get_by_role("table", name="Departures")
        expect(table.locator("tbody tr")).to_have_count(5, timeout=20_000)
        said = lines(table)
        assert ["added" in row[0] for row in said] == [False, True, False, False, False]
        assert ["changed" in row[0] for row in said] == [False, False, False, False, True]
        assert ["cancelled" in row[1] for row in said] == [False, False, True, True, False]
        assert [bool(text) for text in struck(table)] == [False, False, True, True, True]
        shot(watched.page, "changes-map")


def test_the_card_of_a_vehicle_on_an_added_trip_says_so(browser: Browser, station: Station) -> None:
    with opened(browser, f"{station.site.base}/map?thing=v9") as watched:
        table = watched.page.get_by_role("table", name="Next stops")
        expect(table.locator("tbody tr")).to_have_count(3, timeout=20_000)
        assert [row[0] for row in lines(table)] == ["Station A", "Bee", "Dee"]
        assert [row[1] for row in lines(table)] == [station.clock(at) for at in (9, 11, 13)]
        expect(watched.page.locator("article h1")).to_contain_text(f"to {TOWARD}")
        expect(watched.page.locator("article dl")).to_contain_text(re.compile(r"Plan\s*added"))
        shot(watched.page, "changes-vehicle")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("room", ["desktop", "phone"])
def test_nothing_serious_for_axe_and_it_fits(browser: Browser, station: Station, theme: Any, room: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: run 'npm ci' in web/")
    more = HANDHELD if room == "phone" else {}
    # Only this context may run what the policy forbids: axe itself.
    with opened(browser, "about:blank", color_scheme=theme, bypass_csp=True, **more) as watched:
        page = watched.page
        board(page, station, "B")
        page.wait_for_timeout(800)
        shot(page, f"changes-{room}-{theme}")
        assert not (serious := serious_findings(page)), "\n".join(serious)
        edge = "getBoundingClientRect().right"
        cut = f"tags => tags.some(tag => tag.{edge} > tag.closest('td').{edge})"
        assert not page.locator("td .tag").evaluate_all(cut), "what is said is not cut off"
        if room == "phone":
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        watched.forgive("CSP violation")
