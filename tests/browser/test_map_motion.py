"""How things move on the map: along their line, never beyond the horizon, and without a race after a sleep."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, expect

from browser.cities import City, moving_city
from browser.mapped import metres_per_pixel, off_line, project, ready, spots, watch_closely
from browser.sites import opened, shot, wait_for
from made_city import SPEED, fixes

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def city() -> Iterator[City]:
    with moving_city() as shown:
        yield shown


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
    with moving_city(16, stale="9s", dead="24s", horizon="6s") as quiet, opened(browser, "about:blank") as watched:
        page = watched.page
        thing = watch_closely(page, quiet)
        quiet.hush()
        last = next(row for row in fixes(quiet.routes, quiet.things, datetime.now(UTC)) if row["thing_id"] == thing)
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
        expect(page).to_have_url(re.compile("follow=1"))
        page.mouse.move(400, 450)
        page.mouse.down()
        page.mouse.move(520, 500, steps=4)
        page.mouse.up()
        expect(page.get_by_role("button", name="Follow", exact=True)).to_be_visible()


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
