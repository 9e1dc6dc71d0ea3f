"""What the page says stays true: wrong clocks, hostile names, silence, and a server that dies and comes back."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from browser.sites import MOMENT, Site, Watched, opened, reading, running, shot, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

AHEAD = """
{
  const True = Date, shift = 2 * 3600 * 1000;
  globalThis.Date = class extends True {
    constructor(...given) { if (given.length) super(...given); else super(True.now() + shift); }
    static now() { return True.now() + shift; }
  };
}
"""
PAYLOADS = [line for line in (Path(__file__).parent / "payloads.txt").read_text().splitlines() if line]


def ages(page: Page) -> dict[str, float]:
    """Age in seconds per row of the list."""
    script = "rows => rows.map(row => [row.cells[0].innerText, row.cells[row.cells.length - 1].innerText])"
    units = {"s": 1, "min": 60, "h": 3600}
    found = {}
    for name, text in page.locator("table").first.locator("tbody tr").evaluate_all(script):
        amount, unit, *_ = text.split()
        found[name] = int(amount) * units[unit]
    return found


def clock(page: Page) -> int:
    """The clock in the bar, as seconds of the day."""
    hours, minutes, seconds = page.locator("time.clock").inner_text().split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def ask_twice(first: Watched, second: Watched, ask: Any) -> bool:
    """Whether both pages say the same, asked one after the other; a tick may lie in between."""
    return abs(ask(first.page) - ask(second.page)) <= 1


def test_a_wrong_clock_of_the_browser_does_not_matter(browser: Browser, quiet: Site) -> None:
    pumps = (("pump-1", 3), ("pump-2", 47), ("pump-3", 190))
    quiet.post([reading(name, 20.0, ago=ago, sensor="flow") for name, ago in pumps])
    url = f"{quiet.url}/devices?thing=pump-1&series=flow&only=flow"
    with opened(browser, url) as right, opened(browser, url, timezone_id="Asia/Kolkata") as wrong:
        wrong.context.add_init_script(AHEAD)
        wrong.page.reload()
        for watched in (right, wrong):
            expect(watched.page.locator("article table tbody tr")).to_have_count(1)
        skew = wrong.page.evaluate("Date.now()") - right.page.evaluate("Date.now()")
        assert 7_190_000 < skew < 7_210_000
        wait_for(lambda: ask_twice(right, wrong, clock), "both clocks agree", 5)
        wait_for(lambda: ask_twice(right, wrong, lambda page: ages(page)["pump-2"]), "both ages agree", 5)
        truth = {"pump-1": 3, "pump-2": 47}
        told = ages(wrong.page)
        assert all(known <= told[name] <= known + 30 for name, known in truth.items())
        assert told["pump-3"] in (180, 240)
        cells = [watched.page.locator("article table tbody tr").inner_text() for watched in (right, wrong)]
        assert cells[0] == cells[1]
        range_button = wrong.page.get_by_role("button", name="Range", exact=True)
        range_button.click()
        until = datetime.fromisoformat(wrong.page.get_by_label("To", exact=True).input_value() + "Z")
        now = datetime.fromisoformat(quiet.get("/v1/status")["now"])
        assert abs(until - now) < timedelta(minutes=3)


def test_names_from_feeds_are_only_ever_text(browser: Browser, quiet: Site) -> None:
    up = quiet
    assert len(PAYLOADS) >= 60
    up.post([reading(name, float(at), sensor="level", unit="<b>m</b>") for at, name in enumerate(PAYLOADS)])
    up.post([reading("plain", 1.0, sensor=name[:64]) for name in PAYLOADS if name.strip()])
    with opened(browser, f"{up.url}/devices?only=level") as watched:
        page = watched.page
        rows = page.locator("table").first.locator("tbody tr")
        expect(rows).to_have_count(len(PAYLOADS))
        shown = rows.evaluate_all("rows => rows.map(row => row.querySelector('a').textContent)")
        assert sorted(shown) == sorted(PAYLOADS)
        assert rows.first.locator("td").nth(4).inner_text() == "<b>m</b>"
        for name in PAYLOADS[::7]:
            rows.filter(has=page.locator(f"a[title={css(name)}]")).click()
            expect(page.locator("article h1")).to_have_text(name, use_inner_text=False)
            assert page.title().startswith(name.strip()[:5])
        assert page.locator("main script, main img, main iframe, main style").count() == 0
        page.goto(f"{up.url}/devices?thing={quote(PAYLOADS[0])}&series=level&q={quote(PAYLOADS[1])}")
        expect(page.get_by_role("searchbox")).to_have_value(PAYLOADS[1])
        page.goto(f"{up.url}/pipelines?view=topics&topic=processed_messages")
        expect(page.get_by_role("row").nth(5)).to_be_visible()
        page.goto(f"{up.url}/nowhere-{quote('<img src=x onerror=alert(1)>')}")
        expect(page.get_by_text("There is no such page")).to_be_visible()


def css(text: str) -> str:
    return '"' + "".join(character if character.isalnum() else f"\\{ord(character):x} " for character in text) + '"'


def quote(text: str) -> str:
    from urllib.parse import quote as quoted

    return quoted(text, safe="")


def test_silence_fades_and_the_dead_leave(browser: Browser, quiet: Site) -> None:
    names = (("fresh", 0), ("fading", 84), ("leaving", 290), ("gone", 4000))
    quiet.post([reading(name, 20.0, ago=ago, sensor="light") for name, ago in names])
    with opened(browser, f"{quiet.url}/devices?thing=fading&series=light&only=light") as watched:
        page = watched.page
        rows = page.locator("table").first.locator("tbody tr")
        expect(page.get_by_role("row", name=re.compile("^fading light .* 1 min stale"))).to_be_visible(timeout=12_000)
        expect(page.locator("article .age")).to_have_text("1 min stale")
        faded = rows.filter(has_text="fading").locator(".value").evaluate("cell => getComputedStyle(cell).color")
        clear = rows.filter(has_text="fresh").locator(".value").evaluate("cell => getComputedStyle(cell).color")
        assert faded != clear
        expect(rows).to_have_count(2, timeout=15_000)
        shot(page, "stale")
        expect(page.get_by_text("2 silent: show")).to_be_visible()
        page.get_by_role("link", name="show", exact=True).click()
        expect(rows).to_have_count(4)
        expect(page.get_by_role("row", name=re.compile("^gone light .* 1 h silent"))).to_be_visible()


def test_the_end_of_all_data_is_said(browser: Browser, up: Site) -> None:
    up.post([reading(name, 20.0, ago=86_400 * days, sensor="dust") for name, days in (("older", 400), ("old", 30))])
    with opened(browser, f"{up.url}/devices?only=dust") as watched:
        page = watched.page
        expect(page.get_by_text("End of data")).to_be_visible()
        expect(page.get_by_text("The newest of 2 readings is 30 d old.")).to_be_visible()
        shot(page, "end-of-data")
        page.get_by_role("link", name="Show what is silent").click()
        expect(page.locator("article h1")).to_have_text("old")
        page.get_by_role("button", name="Show the hour before it").click()
        expect(page.locator("article table tbody tr")).to_have_count(1)
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", page.locator("article table tbody td").first.inner_text())


def test_a_killed_server_is_missed_and_found_again(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path, "demo") as site, opened(browser, f"{site.url}/devices") as watched:
        page = watched.page
        value = page.locator("article .value")
        expect(value).to_contain_text(re.compile(r"\d"))
        page.evaluate("window.untouched = true")
        site.kill()
        banner = page.locator(".banner")
        expect(banner).to_contain_text(re.compile(rf"(does not answer|is lost) since {MOMENT}"), timeout=12_000)
        expect(banner).to_contain_text("Wayside does not answer", timeout=12_000)
        wait_for(lambda: min(ages(page).values()) >= 5, "everything ages", 12)
        shot(page, "server-lost")
        site.start()
        began = time.monotonic()
        expect(banner).to_have_count(0, timeout=15_000)
        wait_for(lambda: min(ages(page).values()) <= 1, "values are fresh again", 15)
        print(f"whole again {time.monotonic() - began:.1f} s after the server was")
        before = value.inner_text()
        wait_for(lambda: value.inner_text() != before, "the value moves again")
        assert page.evaluate("window.untouched") is True
        watched.forgive("ERR_")


def test_nothing_is_asked_for_without_need(browser: Browser, quiet: Site) -> None:
    quiet.post([reading("pump", 20.0 + second / 10, ago=60 - second, sensor="rain") for second in range(60)])
    with opened(browser, f"{quiet.url}/devices?only=rain") as watched:
        asked: list[str] = []
        expect(watched.page.locator("article table tbody tr").first).to_be_visible()
        watched.page.on("request", lambda request: asked.append(request.url.removeprefix(quiet.url).partition("?")[0]))
        watched.page.wait_for_timeout(6000)
        assert asked.count("/v1/live") == asked.count("/v1/domains") == asked.count("/v1/series/devices") == 0
        assert asked.count("/v1/tables/device_latest") == 0
        assert asked.count("/v1/windows/device_rollup") <= 4
        assert asked.count("/v1/status") <= 2


def test_a_table_too_large_to_hold_is_searched_by_the_server(browser: Browser, up: Site) -> None:
    up.post([reading(f"meter-{number:04}", number / 10) for number in range(700)])
    with opened(browser, f"{up.url}/devices") as watched:
        page = watched.page
        rows = page.locator("table").first.locator("tbody tr")
        expect(rows).to_have_count(100)
        expect(page.get_by_text("100 of 700 readings shown.")).to_be_visible()
        page.get_by_role("button", name="Show more").click()
        expect(rows).to_have_count(200)
        page.get_by_role("searchbox").fill("meter-069")
        expect(rows).to_have_count(10)
        up.post([reading("meter-0695", 1234.5)])
        expect(page.get_by_role("row", name=re.compile("^meter-0695 temperature .*1234.5"))).to_be_visible(timeout=8000)


@pytest.mark.slow
def test_a_feed_that_stops_is_told(browser: Browser, up: Site) -> None:
    httpx2.post(f"{up.url}/api/v1/start", params={"numDevices": 3}).raise_for_status()
    with opened(browser, f"{up.url}/devices") as watched:
        page = watched.page
        rows = page.locator("table").first.locator("tbody tr")
        expect(rows).to_have_count(3, timeout=10_000)
        expect(page.locator(".health")).to_have_text("1 feed live", timeout=10_000)
        httpx2.post(f"{up.url}/api/v1/stop").raise_for_status()
        expect(rows.first).to_contain_text("1 min stale", timeout=110_000)
        expect(page.locator(".health")).to_have_text("1 feed silent", timeout=15_000)
        expect(page.locator(".banner")).to_contain_text(re.compile(rf"The feed generator is silent since {MOMENT}\."))
        shot(page, "feed-silent")
