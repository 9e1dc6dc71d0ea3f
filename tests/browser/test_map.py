"""The map: what moves on it and how; what is found, filtered and replayed; the same in words and with the keyboard."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.cities import City, moving_city
from browser.sites import PHONE, ROOT, opened, shot, wait_for
from made_city import COLOURS, fixes, iso

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
HANDHELD: dict[str, Any] = {"viewport": PHONE, "is_mobile": True, "has_touch": True}
SPEED = 12.0
CALLOUT = ".float.chosen"
NAME = f"{CALLOUT} span"
"""The element itself has no size; the name in it has."""


@pytest.fixture(scope="module")
def city() -> Iterator[City]:
    with moving_city() as shown:
        yield shown


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


def test_it_opens_with_everything_that_moves(browser: Browser, city: City) -> None:
    with opened(browser, city.url) as watched:
        page = watched.page
        ready(page)
        assert page.url.startswith(f"{city.url}/map")
        expect(page.get_by_role("heading", name="City")).to_be_visible()
        expect(page.get_by_text("24 vehicles under way or scheduled")).to_be_visible()
        line = page.get_by_role("button", name=re.compile(r"^Red .*6 vehicles"))
        expect(line).to_be_visible()
        shot(page, "map-all")


def test_things_move_smoothly_along_their_line(browser: Browser, city: City) -> None:
    with opened(browser, "about:blank") as watched:
        page = watched.page
        watch_closely(page, city)
        for number in range(3):
            shot(page, f"map-moves-{number}")
            page.wait_for_timeout(700)
        found = spots(page, 11)
        steps = [math.hypot(b[1] - a[1], b[2] - a[2]) for a, b in pairwise(found)]
        seconds = (found[-1][0] - found[0][0]) / 1000
        pace = sum(steps) * metres_per_pixel(15) / seconds
        print(f"{len(found)} places in {seconds:.1f} s, {pace:.1f} m/s, largest step {max(steps):.1f} px")
        # Two fixes came in meanwhile. It drove all the time, at about its own speed, and never leapt.
        assert 0.75 * SPEED < pace < 1.25 * SPEED
        slow = sorted((b[0] - a[0]) for a, b in pairwise(found))[-1] / 1000
        assert max(steps) * metres_per_pixel(15) < 4 * SPEED * max(slow, 0.1) + 5
        assert max(off_line(page, city, 15, (x, y)) for _, x, y in found) < 1.5


def test_silence_moves_nothing_beyond_the_horizon(browser: Browser) -> None:
    with moving_city(8, stale="9s", dead="24s", horizon="6s") as quiet, opened(browser, "about:blank") as watched:
        page = watched.page
        thing = watch_closely(page, quiet)
        quiet.hush()
        last = next(row for row in fixes(quiet.routes, 8, datetime.now(UTC)) if row["thing_id"] == thing)
        notice = page.locator("article .notice")
        expect(notice).to_contain_text("No word for", timeout=20_000)
        page.wait_for_timeout(2_000)
        rest = spots(page, 2)
        assert math.hypot(rest[-1][1] - rest[0][1], rest[-1][2] - rest[0][2]) < 0.5
        reached = page.evaluate("location.search")
        x, y, _ = quiet.routes[0].at(last["along"] + SPEED * 6)
        middle = re.search(r"map=15(?:\.\d+)?(?:%2F|/)([-\d.]+)(?:%2F|/)([-\d.]+)", reached)
        assert middle is not None
        start, end = project(float(middle[2]), float(middle[1])), project(x, y)
        bound = math.hypot(end[0] - start[0], end[1] - start[1]) * 512 * 2**15
        box = page.get_by_role("application").bounding_box()
        assert box is not None
        gone = math.hypot(rest[-1][1] - box["width"] / 2, rest[-1][2] - box["height"] / 2)
        assert gone <= bound + 12 / metres_per_pixel(15) * 6
        shot(page, "map-stale")
        # Dead things leave the map.
        expect(page.get_by_role("application", name=re.compile("City: 0 vehicles"))).to_be_visible(timeout=30_000)
        expect(page.get_by_text("No vehicle is heard of now.")).to_be_visible()
        shot(page, "map-dead")


HIDE = """(hidden) => {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
  window.held ??= window.requestAnimationFrame;
  window.requestAnimationFrame = hidden ? (call) => { window.kept = call; return 0; } : window.held;
  document.dispatchEvent(new Event('visibilitychange'));
  if (!hidden && window.kept) window.held.call(window, window.kept);
}"""


def test_after_a_sleeping_tab_the_truth_is_shown_at_once(browser: Browser, city: City) -> None:
    with opened(browser, "about:blank") as watched:
        page = watched.page
        thing = watch_closely(page, city)
        page.evaluate(HIDE, True)
        page.wait_for_timeout(9_000)
        before = spots(page, 0.3)
        assert before[0][1:] == before[-1][1:], "a hidden page draws nothing"
        page.evaluate(HIDE, False)
        page.wait_for_timeout(150)
        found = spots(page, 2.5)
        now = datetime.now(UTC)
        steps = [math.hypot(b[1] - a[1], b[2] - a[2]) for a, b in pairwise(found)]
        slow = max(b[0] - a[0] for a, b in pairwise(found)) / 1000
        # It is where it should be, and drives on at its own speed instead of racing there.
        assert max(steps) * metres_per_pixel(15) < 2.5 * SPEED * max(slow, 0.1) + 3
        row = next(row for row in fixes(city.routes, city.things, now) if row["thing_id"] == thing)
        center = re.search(r"map=15(?:\.\d+)?(?:%2F|/)([-\d.]+)(?:%2F|/)([-\d.]+)", page.url)
        assert center is not None
        at, middle = project(row["longitude"], row["latitude"]), project(float(center[2]), float(center[1]))
        box = page.get_by_role("application").bounding_box()
        assert box is not None
        scale = 512 * 2**15
        x = (at[0] - middle[0]) * scale + box["width"] / 2
        y = (at[1] - middle[1]) * scale + box["height"] / 2
        away = math.hypot(found[-1][1] - x, found[-1][2] - y) * metres_per_pixel(15)
        assert away < 40, f"{away:.0f} m from where it is"


def test_search_finds_places_lines_and_things(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/map") as watched:
        page = watched.page
        ready(page)
        page.keyboard.press("/")
        box = page.get_by_role("combobox")
        expect(box).to_be_focused()
        box.fill("oak")
        expect(page.get_by_role("option").first).to_contain_text("Oak Hill")
        box.press("Enter")
        expect(page.locator("article h1")).to_have_text("Oak Hill")
        expect(page.locator("article h1")).to_be_focused()
        assert "place=" in page.url
        box.fill("1706")
        page.get_by_role("option", name=re.compile("Vehicle 1706")).click()
        expect(page.locator("article")).to_contain_text("Vehicle 1706")
        box.fill("blue line")
        box.press("Enter")
        expect(page.get_by_role("application", name="City: 6 vehicles")).to_be_visible()
        assert "lines=blue" in page.url
        box.fill("nothing of this name")
        expect(page.locator("search").get_by_text("Nothing has that name.")).to_be_visible()


def test_lines_filter_map_and_list_alike(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/map") as watched:
        page = watched.page
        ready(page)
        page.get_by_role("button", name=re.compile("^Red ")).click()
        page.get_by_role("button", name=re.compile("^Green ")).click()
        expect(page.get_by_role("application", name="City: 12 vehicles")).to_be_visible()
        shot(page, "map-filtered")
        page.get_by_role("link", name="List").click()
        expect(page.locator("table tbody tr")).to_have_count(12)
        assert set(page.locator("tbody .badge").all_inner_texts()) == {"Red", "Green"}
        page.get_by_role("button", name="Show all").click()
        expect(page.locator("table tbody tr")).to_have_count(24)


def test_the_list_says_what_the_map_shows(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/map?view=list") as watched:
        page = watched.page
        rows = page.locator("table tbody tr")
        expect(rows).to_have_count(24)
        expected = fixes(city.routes, city.things, datetime.now(UTC))
        texts = {row.split("\t")[0].split()[-1]: row for row in rows.evaluate_all("rows => rows.map(r => r.innerText)")}
        assert set(texts) == {row["label"] for row in expected}
        for row in expected:
            text = texts[row["label"]]
            assert row["line_id"].title() in text
            assert row["toward"] in text
            minutes = math.floor(abs(row["delay"]) / 60 + 0.5)
            if abs(row["delay"]) >= 60:
                assert f"{minutes} min {'early' if row['delay'] < 0 else 'late'}" in text, (row, text)
            else:
                assert "on time" in text or re.search(r"\d+ s (early|late)", text)
            assert ("0 km/h" if row["state"] == "stopped" else "43 km/h") in text
            if row["state"] == "unheard":
                assert "scheduled" in text


def test_a_card_has_delay_speed_occupancy_age_and_next_stops(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/map?thing={far_from_ends(city)}") as watched:
        page = watched.page
        ready(page)
        card = page.locator("article")
        facts = card.locator("dl").inner_text().split("\n")
        read = dict(zip(facts[::2], facts[1::2], strict=True))
        assert set(read) == {"Delay", "State", "Speed", "Occupancy", "Position"}
        assert read["Speed"] == "43 km/h"
        assert re.fullmatch(r"\d+ s ago", read["Position"])
        expect(card.get_by_role("table", name="Next stops").locator("tbody tr").first).to_be_visible()
        expect(card).to_contain_text("Expected times rest on the schedule plus present delay.")
        shot(page, "map-card")


def test_follow_keeps_it_in_the_middle_until_the_map_is_moved(browser: Browser, city: City) -> None:
    with opened(browser, "about:blank") as watched:
        page = watched.page
        watch_closely(page, city, 16)
        button = page.get_by_role("button", name="Follow")
        button.click()
        expect(page.get_by_role("button", name="Following")).to_be_visible()
        page.wait_for_timeout(1_500)
        found = spots(page, 4)
        assert max(math.hypot(x - found[0][1], y - found[0][2]) for _, x, y in found) < 12
        assert "follow=1" in page.url
        page.mouse.move(400, 450)
        page.mouse.down()
        page.mouse.move(520, 500, steps=4)
        page.mouse.up()
        expect(page.get_by_role("button", name="Follow", exact=True)).to_be_visible()


def test_a_thing_is_reached_with_the_keyboard_alone(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/map") as watched:
        page = watched.page
        ready(page)
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.getAttribute('role')") == "application":
                break
        expect(page.get_by_role("application")).to_be_focused()
        page.keyboard.press("n")
        first = page.locator(NAME).inner_text()
        page.keyboard.press("n")
        expect(page.locator(NAME)).not_to_have_text(first)
        page.keyboard.press("p")
        expect(page.locator(NAME)).to_have_text(first)
        expect(page.locator("article")).to_contain_text(f"Vehicle {first}")
        view = address(page)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("+")
        wait_for(lambda: address(page) != view and "map=" in address(page), "keys move the map", 5)
        page.keyboard.press("Escape")
        expect(page.locator("article")).to_have_count(0)
        page.get_by_role("link", name="List").press("Enter")
        page.locator("table a[data-key]").first.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.locator("article h1")).to_be_focused()


def test_the_past_is_replayed_where_things_were(browser: Browser, city: City) -> None:
    at = (datetime.now(UTC) - timedelta(minutes=8)).replace(microsecond=0)
    thing = "r-1"
    with opened(browser, f"{city.url}/map?view=list&thing={thing}&at={at:%Y-%m-%dT%H:%M:%SZ}") as watched:
        page = watched.page
        expect(page.locator("table tbody tr")).to_have_count(24, timeout=20_000)
        expect(page.get_by_role("button", name="Go live")).to_be_visible()
        expect(page.locator("article")).to_contain_text("are known for now only")
        page.get_by_role("link", name="Map", exact=True).last.click()
        expect(page.locator(NAME)).to_be_visible()
        shot(page, "map-past")
        moment = page.get_by_role("slider", name="Moment that is shown")
        before = moment.get_attribute("aria-valuetext")
        page.get_by_role("button", name="60×").click()
        page.get_by_role("button", name="Play").click()
        wait_for(lambda: moment.get_attribute("aria-valuetext") != before, "time goes on", 10)
        page.get_by_role("button", name="Pause").click()
        moment.focus()
        page.keyboard.press("ArrowLeft")
        wait_for(lambda: "at=" in address(page), "the moment is in the address", 5)
        page.get_by_role("button", name="Go live").click()
        expect(page.get_by_role("button", name="Live", exact=True)).to_be_visible()
        wait_for(lambda: "at=" not in address(page), "the moment leaves the address", 5)


def test_a_link_restores_view_selection_filter_and_moment(browser: Browser, city: City) -> None:
    at = (datetime.now(UTC) - timedelta(minutes=5)).replace(microsecond=0)
    link = f"{city.url}/map?map=13.50/42.36500/-71.05000&lines=red,blue&thing=b-2&at={at:%Y-%m-%dT%H:%M:%SZ}"
    with opened(browser, link) as watched:
        page = watched.page
        expect(page.get_by_role("application", name=re.compile("City: 12 vehicles at"))).to_be_visible(timeout=20_000)
        expect(page.locator("article")).to_contain_text("Vehicle 1701")
        assert (page.get_by_role("slider").get_attribute("aria-valuetext") or "").endswith(f"{at:%M:%S}")
        expect(page.get_by_text("500 m")).to_be_visible()
        first = spots(page, 0.2)[-1][1:]
        page.reload()
        expect(page.locator(NAME)).to_be_visible()
        page.wait_for_timeout(600)
        again = spots(page, 0.2)[-1][1:]
        assert math.dist(first, again) < 1


def test_a_wrong_clock_changes_nothing(browser: Browser, city: City) -> None:
    with opened(browser, "about:blank", timezone_id="Asia/Tokyo") as watched:
        page = watched.page
        page.add_init_script("const real = Date.now; Date.now = () => real() + 7200000;")
        thing = far_from_ends(city)
        page.goto(f"{city.url}/map?thing={thing}")
        ready(page)
        expect(page.locator("article dl")).to_contain_text(re.compile(r"[0-9] s ago"))
        shown = page.locator("header time").inner_text()
        # America/New_York, in which the city lies.
        now = datetime.now(ZoneInfo("America/New_York"))
        said = datetime.combine(now.date(), clock.fromisoformat(shown), now.tzinfo)
        assert abs((said - now).total_seconds()) < 5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", ["", "?thing=r-1", "?view=list", "?place=red-4"])
def test_nothing_serious_for_axe(browser: Browser, city: City, view: str, theme: Any) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: run 'npm ci' in web/")
    # Only this context may run what the policy forbids: axe itself.
    with opened(browser, f"{city.url}/map{view}", color_scheme=theme, bypass_csp=True) as watched:
        page = watched.page
        expect(page.locator("main h1").first).to_be_visible(timeout=20_000)
        page.wait_for_timeout(1_200)
        shot(page, f"map{re.sub('[^a-z]+', '-', view)}-{theme}")
        page.evaluate(AXE.read_text())
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        serious = [
            f"{one['id']} ({one['impact']}): {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical", "moderate")
        ]
        assert not serious, "\n".join(serious)
        watched.forgive("CSP violation")


def test_on_a_phone_the_card_is_a_sheet(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/map", device_scale_factor=2, **HANDHELD) as watched:
        page = watched.page
        ready(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        shot(page, "map-phone")
        page.get_by_role("button", name="Lines").tap()
        sheet = page.get_by_role("dialog")
        expect(sheet).to_contain_text("24 vehicles")
        shot(page, "map-phone-lines")
        sheet.get_by_role("button", name="Close").tap()
        expect(sheet).to_have_count(0)
        page.goto(f"{city.url}/map?thing={far_from_ends(city)}")
        expect(sheet).to_contain_text("Delay")
        expect(page.locator(NAME)).to_be_visible()
        shot(page, "map-phone-card")
        page.goto(f"{city.url}/map?view=list")
        expect(page.locator("table tbody tr").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        shot(page, "map-phone-list")


def test_text_of_feeds_is_only_text(browser: Browser, city: City) -> None:
    evil = '<img src=x onerror="alert(1)">'
    row = {**fixes(city.routes, 1, datetime.now(UTC))[0], "thing_id": "evil", "label": evil, "toward": evil}
    city.post("spots", [row])
    with opened(browser, f"{city.url}/map?thing=evil") as watched:
        page = watched.page
        ready(page)
        expect(page.locator("article h1")).to_contain_text(evil)
        expect(page.locator(NAME)).to_have_text(evil)
        assert page.locator("main img").count() == 0
    city.post("spots", [{**row, "at": iso(datetime.now(UTC)), "state": "garage"}])


FRAMES = """async (span) => {
  let drawn = 0, began = performance.now();
  const real = CanvasRenderingContext2D.prototype.clearRect;
  CanvasRenderingContext2D.prototype.clearRect = function (...args) { drawn += 1; return real.apply(this, args); };
  await new Promise((next) => setTimeout(next, span));
  CanvasRenderingContext2D.prototype.clearRect = real;
  return drawn / (performance.now() - began) * 1000;
}"""


@pytest.mark.slow
@pytest.mark.parametrize("things", [500, 2_000, 5_000])
def test_frames_and_memory(browser: Browser, things: int) -> None:
    """A figure to read, not a bound: other work runs on the machine."""
    with (
        moving_city(things, 40, 10.0, timedelta(seconds=1)) as crowd,
        opened(browser, f"{crowd.url}/map") as watched,
    ):
        page = watched.page
        ready(page)
        wait_for(lambda: re.search(r"\d[\d,]+", page.locator("header p").first.inner_text()), "all have spoken", 60)
        page.wait_for_timeout(3_000)
        still = page.evaluate(FRAMES, 8_000)
        page.mouse.move(500, 450)
        page.mouse.down()
        page.evaluate("window.panned = 0")
        moved = page.evaluate(
            f"""async () => {{
              const host = document.querySelector('[role=application]');
              let turn = 0;
              const timer = setInterval(() => {{
                turn += 1;
                host.dispatchEvent(new WheelEvent('wheel', {{
                  deltaY: turn % 40 < 20 ? -12 : 12, clientX: 500, clientY: 450, bubbles: true, cancelable: true,
                }}));
              }}, 16);
              const found = await ({FRAMES})(8000);
              clearInterval(timer);
              return found;
            }}"""
        )
        page.mouse.up()
        memory = page.evaluate("performance.memory ? performance.memory.usedJSHeapSize / 1048576 : 0")
        shot(page, f"map-{things}")
        print(f"\n{things} things: {still:.0f} frames/s at rest, {moved:.0f} while zooming, {memory:.0f} MiB of heap")
        assert still > 1
        assert moved > 1
