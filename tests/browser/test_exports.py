"""What the pages of a map show can be had as files: the same rows."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from browser.cities import City, moving_city
from browser.sites import PHONE, opened, shot

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def city() -> Iterator[City]:
    with moving_city(past=timedelta(minutes=30)) as shown:
        yield shown


def file(page: Page, format: str) -> Any:
    page.get_by_role("button", name="Export these rows").click()
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile(f"^{format}")).click()
    return download.value


def keys(page: Page) -> set[str]:
    script = "all => all.map(link => link.dataset.key)"
    return set(page.locator("tbody tr a[data-key]").evaluate_all(script))


def rows(page: Page) -> list[dict[str, str]]:
    return list(csv.DictReader(file(page, "CSV").path().open(newline="")))


def test_the_list_of_a_map_now_and_of_chosen_lines(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/map?view=list") as watched:
        page = watched.page
        links = page.locator("a[data-key]")
        expect(links.first).to_be_visible(timeout=15_000)
        count = int(page.get_by_role("table").get_attribute("aria-rowcount") or 0) - 1
        assert len(rows(page)) == count == city.things
        shot(page, "map-list-export")
        page.goto(f"{city.url}/map?view=list&lines=red")
        expect(links.first).to_be_visible(timeout=15_000)
        shown = keys(page)  # few enough to be all in the document
        found = rows(page)
        assert {row["thing_id"] for row in found} == shown
        assert {row["line_id"] for row in found} == {"red"}


def test_the_list_of_a_map_in_the_past(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/map?view=list") as watched:
        page = watched.page
        expect(page.locator("a[data-key]").first).to_be_visible(timeout=15_000)
        at = page.evaluate("new Date(Date.now() - 12 * 60000).toISOString().slice(0, 19) + 'Z'")
        page.goto(f"{city.url}/map?view=list&lines=red&at={at}")
        expect(page.locator("a[data-key]").first).to_be_visible(timeout=15_000)
        found = {row["thing_id"]: row["at"] for row in rows(page)}
        assert set(found) == keys(page)
        assert max(found.values())[:19] <= at[:19]


def test_the_board_of_a_place_and_the_page_of_a_line(browser: Browser, city: City) -> None:
    with opened(browser, f"{city.url}/board?place=red-4") as watched:
        page = watched.page
        lines = page.locator("section.line tbody tr")
        expect(lines.first).to_be_visible(timeout=15_000)
        expect(lines).to_have_count(len(rows(page)), timeout=15_000)  # one may be there before the page has asked again
        shot(page, "board-export")
        page.goto(f"{city.url}/lines?line=red")
        expect(page.locator("svg g").first).to_be_attached(timeout=15_000)
        said = page.get_by_text(re.compile(r"^Of [\d,]+ reports in both directions"))
        expect(said).to_be_visible(timeout=20_000)  # while the past is still coming, it says "so far"
        number = int(re.sub(r"\D", "", said.inner_text()))
        frame = pl.read_parquet(file(page, "Parquet").path())
        assert frame["line_id"].unique().to_list() == ["red"]
        # Reports without a value are rows too, and one more may have come in between.
        assert number <= frame.filter(pl.col("delay").is_not_null()).height <= number + 6


def test_the_button_finds_its_place_on_a_phone(browser: Browser, city: City) -> None:
    handheld: dict[str, Any] = {"viewport": PHONE, "is_mobile": True, "has_touch": True}
    for view in ("/map?view=list", "/board?place=red-4", "/lines?line=red"):
        with opened(browser, city.url + view, **handheld) as watched:
            page = watched.page
            expect(page.get_by_role("button", name="Export these rows")).to_be_enabled(timeout=15_000)
            shot(page, f"export-phone-{view[1:4]}")
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
