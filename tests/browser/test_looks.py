"""How it looks: both themes, a phone, every state; pictures for human eyes, and what a machine can check of them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from browser.sites import AXE, MOMENT, PHONE, Site, opened, reading, serious_findings, shot, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

VIEWS = {
    "devices": "/devices?thing=greenhouse-04&series=temperature",
    "plan": "/pipelines",
    "topics": "/pipelines?view=topics",
    "quarantine": "/pipelines?view=quarantine",
}
HANDHELD: dict[str, Any] = {"viewport": PHONE, "is_mobile": True, "has_touch": True}
READY = {"devices": "article table tbody tr", "plan": "svg g", "topics": ".rows tbody tr", "quarantine": ".rules a"}


def settle(page: Page, view: str) -> None:
    expect(page.locator(READY[view]).first).to_be_visible(timeout=15_000)
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(600)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_pictures(browser: Browser, demo: Site, view: str, theme: Any) -> None:
    with opened(browser, demo.url + VIEWS[view], color_scheme=theme) as watched:
        settle(watched.page, view)
        shot(watched.page, f"{view}-{theme}")
    with opened(browser, demo.url + VIEWS[view], color_scheme=theme, device_scale_factor=2, **HANDHELD) as watched:
        ready = {**READY, "topics": "nav[aria-label=Topics] li", "plan": "table"}[view]
        expect(watched.page.locator(ready).first).to_be_visible(timeout=15_000)
        watched.page.wait_for_timeout(600)
        shot(watched.page, f"{view}-{theme}-phone")
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: run 'npm ci' in web/")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_serious_for_axe(browser: Browser, demo: Site, view: str, theme: Any) -> None:
    # Only this context may run what the policy forbids: axe itself.
    with opened(browser, demo.url + VIEWS[view], color_scheme=theme, bypass_csp=True) as watched:
        settle(watched.page, view)
        assert not (serious := serious_findings(watched.page)), "\n".join(serious)
        watched.forgive("CSP violation")


def test_the_theme_can_be_chosen_and_stays(browser: Browser, demo: Site) -> None:
    with opened(browser, f"{demo.url}/pipelines", color_scheme="dark") as watched:
        page = watched.page
        ground = "getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(ground)
        page.get_by_role("button", name=re.compile("^Theme: Auto")).click()
        light = page.evaluate(ground)
        assert light != dark
        page.reload()
        expect(page.get_by_role("button", name=re.compile("^Theme: Light"))).to_be_visible()
        assert page.evaluate(ground) == light


def test_on_a_phone_the_detail_is_a_sheet(browser: Browser, demo: Site) -> None:
    with opened(browser, f"{demo.url}/devices", **HANDHELD) as watched:
        page = watched.page
        row = page.get_by_role("row", name=re.compile("greenhouse-04 temperature"))
        expect(row).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
        row.tap()
        sheet = page.get_by_role("dialog", name="greenhouse-04")
        expect(sheet).to_be_focused()
        expect(sheet.locator("h1")).to_have_text("greenhouse-04")
        page.go_back()
        expect(sheet).to_have_count(0)
        row.tap()
        expect(sheet).to_be_visible()
        page.keyboard.press("Escape")
        expect(sheet).to_have_count(0)
        focused = page.locator(":focus")
        expect(focused).to_have_attribute("data-key", "greenhouse-04\u001ftemperature")


SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: 'layout-shift', buffered: true });
"""


def test_nothing_jumps_when_data_arrives(browser: Browser, demo: Site) -> None:
    with opened(browser, demo.url + VIEWS["devices"]) as watched:
        page = watched.page
        settle(page, "devices")
        page.evaluate(SHIFTS)
        before = page.evaluate("window.shifted")
        number = page.locator("article .now").bounding_box()
        page.wait_for_timeout(6000)
        # A new window may add its row at the top of the table once; nothing else moves.
        assert page.evaluate("window.shifted") - before < 0.02
        after = page.locator("article .now").bounding_box()
        assert number is not None
        assert after is not None
        assert number["x"] + number["width"] == pytest.approx(after["x"] + after["width"], abs=0.5)
        assert number["y"] == after["y"]


def test_the_first_load_is_small(browser: Browser, demo: Site) -> None:
    with opened(browser, "about:blank") as watched:
        sizes: dict[str, int] = {}

        def note(response: Any) -> None:
            if "/v1/" not in response.url:
                sizes[response.url] = int(response.request.sizes()["responseBodySize"])

        watched.page.on("requestfinished", lambda request: note(request.response()))
        watched.page.goto(demo.url + VIEWS["devices"])
        settle(watched.page, "devices")
        total = sum(sizes.values()) / 1024
        print(f"first load {total:.0f} KiB in {len(sizes)} files")
        assert any(name.endswith(".woff2") for name in sizes)
        assert total <= 450


def test_loading_keeps_the_place(browser: Browser, demo: Site) -> None:
    with opened(browser, "about:blank") as watched:
        page = watched.page
        page.route("**/v1/tables/**", lambda route: None)
        page.goto(f"{demo.url}/devices")
        expect(page.locator("table[aria-busy=true] .blank").first).to_be_visible()
        shot(page, "loading")
        page.unroute_all()


def test_an_error_says_what_where_and_what_next(browser: Browser, demo: Site) -> None:
    problem = {
        "title": "Service Unavailable", "status": 503, "detail": "The hot store cannot be read.",
        "where": "hot/state.db", "why": "Its first page fails its checksum.", "next": "Run `wayside doctor`.",
    }  # fmt: skip

    def refuse(route: Route) -> None:
        route.fulfill(status=503, content_type="application/problem+json", body=json.dumps(problem))

    with opened(browser, "about:blank") as watched:
        page = watched.page
        page.route("**/v1/tables/**", refuse)
        page.goto(f"{demo.url}/devices")
        alert = page.get_by_role("alert")
        for text in (problem["detail"], problem["why"], "Run wayside doctor.", problem["where"]):
            expect(alert).to_contain_text(str(text))
        shot(page, "error")
        page.unroute_all()
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("row", name=re.compile("^office-12 "))).to_be_visible()
        watched.forgive("503")


def test_a_feed_that_is_down_is_named_in_the_bar(browser: Browser, demo: Site) -> None:
    plan = demo.get("/v1/plan")
    feed = next(node for node in plan["nodes"] if node["name"] == "demo_fleet")
    feed["last_error"] = "Connection refused."

    with opened(browser, "about:blank") as watched:
        page = watched.page
        page.route("**/v1/plan", lambda route: route.fulfill(json=plan))
        page.goto(f"{demo.url}/pipelines")
        banner = page.locator(".banner")
        told = rf"The feed demo fleet is down since {MOMENT}\. Connection refused\."
        expect(banner).to_contain_text(re.compile(told))
        expect(page.locator(".health")).to_have_text("1 feed down")
        expect(page.get_by_role("cell", name="error", exact=True)).to_be_visible()
        shot(page, "feed-down")
        page.unroute_all()


def test_nothing_yet_and_then_the_first_reading(browser: Browser, up: Site) -> None:
    with opened(browser, f"{up.url}/devices") as watched:
        page = watched.page
        expect(page.get_by_text("Nothing yet")).to_be_visible()
        shot(page, "nothing-yet")
        up.post([reading("first-one", 20.5)])
        expect(page.get_by_role("row", name=re.compile("^first-one temperature .*20.5 °C"))).to_be_visible(timeout=5000)
        wait_for(lambda: page.locator("article h1").inner_text() == "first-one", "it is shown in detail")
