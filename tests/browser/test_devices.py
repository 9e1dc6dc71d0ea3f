"""The page of a domain, on the demo's devices: what moves, is found, selected, ranged over, exported and linked to."""

from __future__ import annotations

import csv
import io
import re
import time
from datetime import datetime, timedelta

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from browser.sites import Site, opened, rows_shown, running, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def number_of(text: str) -> float:
    return float(text.replace("\u2212", "-").replace(",", ""))


def select(page: Page, name: str, series: str = "temperature") -> None:
    page.get_by_role("row", name=re.compile(f"^{name} {series} ")).click()
    expect(page.locator("article h1")).to_have_text(name)


def begins(row: list[str]) -> str:
    """When the window of a row begins, by the clock; around midnight its day stands before that."""
    return re.findall(r"\d\d:\d\d:\d\d", row[0])[0]


def closed_windows(demo: Site, device: str, sensor: str, least: int) -> list[list[object]]:
    """Windows of the demo that will not change any more, oldest first."""

    def ask() -> list[list[object]] | None:
        frame = demo.get("/v1/windows/device_rollup", device_id=device, sensor=sensor)
        closed = [row for row in frame["rows"] if not row[-1]]
        return closed if len(closed) >= least else None

    return wait_for(ask, f"{least} closed windows", 60)


def test_series_move_within_ten_seconds_of_the_command(browser: Browser, tmp_path) -> None:
    began = time.monotonic()
    with running(tmp_path, "demo") as site, opened(browser, f"{site.url}/devices") as watched:
        page = watched.page
        value = page.locator("article .value")
        expect(value).to_contain_text(re.compile(r"\d"), timeout=10_000)
        first = value.inner_text()
        wait_for(lambda: value.inner_text() != first, "the value moves", 10)
        took = time.monotonic() - began
        assert page.url.startswith(f"{site.url}/devices?thing=")
        print(f"ready after {site.started_in:.1f} s, moving on screen after {took:.1f} s")
        # The budget is ten seconds on a machine of its own; here other work runs beside it.
        assert took < 20


def test_the_list_has_every_series_with_value_unit_age_and_line(browser: Browser, demo: Site) -> None:
    with opened(browser, f"{demo.url}/devices") as watched:
        row = watched.page.get_by_role("row", name=re.compile("^greenhouse-04 temperature "))
        expect(row).to_be_visible()
        cells = row.get_by_role("cell").all_inner_texts()
        assert cells[0:2] == ["greenhouse-04", "temperature"]
        assert re.fullmatch(r"\u2212?\d+(\.\d)?", cells[3])
        assert cells[4] == "°C"
        assert re.fullmatch(r"\d+ s", cells[5])
        wait_for(lambda: len(row.locator("svg path").get_attribute("d") or "") > 20, "the line is drawn", 30)
        said = watched.page.get_by_text(re.compile(r"^\d+ of \d+ readings shown\.$"))

        def agrees() -> bool:
            # Both are asked for at once: things that come up meanwhile are on the page a moment later.
            total = demo.get("/v1/tables/device_latest")["total"]
            return said.inner_text().endswith(f"of {total} readings shown.")

        wait_for(agrees, "the page counts what the server has", 30)


def test_search_and_filter(browser: Browser, demo: Site) -> None:
    with opened(browser, f"{demo.url}/devices") as watched:
        page = watched.page
        body = page.locator("table").first.locator("tbody tr")
        expect(page.get_by_role("row", name=re.compile("^office-12 "))).to_be_visible()
        page.get_by_role("searchbox").fill("GREEN humid")
        expect(body).to_have_count(2)
        page.get_by_role("searchbox").fill("")
        page.get_by_role("combobox", name="Sensor").select_option("heart_rate")
        expect(body).to_have_count(3)
        expect(page).to_have_url(re.compile("only=heart_rate"))
        page.get_by_role("searchbox").fill("no such thing")
        expect(page.get_by_text("Nothing matches")).to_be_visible()
        page.get_by_role("link", name="Show everything again").click()
        expect(page.get_by_role("row", name=re.compile("^office-12 "))).to_be_visible()
        expect(page.get_by_role("searchbox")).to_have_value("")


def test_by_keyboard_alone(browser: Browser, demo: Site) -> None:
    with opened(browser, f"{demo.url}/devices?thing=barn-north&series=pressure") as watched:
        page = watched.page
        expect(page.locator("article h1")).to_have_text("barn-north")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type("green")
        expect(page.locator("table").first.locator("tbody tr")).to_have_count(4)
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        expect(page.locator("article h1")).to_have_text("greenhouse-04")
        expect(page.locator("article .series")).to_have_text("temperature")
        focused = page.locator("tr:focus-within")
        assert focused.evaluate("row => getComputedStyle(row).outlineStyle") == "solid"
        expect(page).to_have_url(re.compile("thing=greenhouse-04&series=temperature"))
        page.keyboard.press("End")
        expect(page.locator("article h1")).to_have_text("greenhouse-05")
        page.keyboard.press("Home")
        expect(page.locator("article .series")).to_have_text("humidity")
        page.get_by_role("button", name="1 h", exact=True).focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="1 h", exact=True)).to_have_attribute("aria-pressed", "true")
        page.get_by_role("button", name="Export these rows").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=re.compile("^CSV"))).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Export these rows")).to_be_focused()


def test_the_picture_follows_and_its_table_says_the_same(browser: Browser, demo: Site) -> None:
    closed_windows(demo, "office-12", "temperature", 2)
    with opened(browser, f"{demo.url}/devices?thing=office-12&series=temperature") as watched:
        page = watched.page
        rows = wait_for(lambda: len(shown := rows_shown(page)) >= 3 and shown, "windows are shown")
        assert rows[0][0].endswith("open")
        for row in rows[2:]:
            average, minimum, maximum = (number_of(cell) for cell in row[2:5])
            assert minimum - 0.051 <= average <= maximum + 0.051
        frame = demo.get("/v1/windows/device_rollup", device_id="office-12", sensor="temperature")
        served = {str(row[0])[11:19]: row for row in frame["rows"] if not row[-1]}
        same = [row for row in rows if begins(row) in served and "open" not in row[0]]
        assert same
        for row in same:
            count, average = served[begins(row)][4], served[begins(row)][5]
            assert (int(row[1]), number_of(row[2])) == (count, pytest.approx(average, abs=0.006))
        label = page.get_by_role("img", name=re.compile("^Office-12, temperature: ")).get_attribute("aria-label")
        assert "windows from" in (label or "")
        first = rows[0][0]
        wait_for(lambda: rows_shown(page)[0][0] != first, "a new window opens", 20)


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_the_export_is_exactly_the_rows_shown(browser: Browser, demo: Site, format: str, tmp_path) -> None:
    closed = closed_windows(demo, "barn-south", "temperature", 4)
    start = datetime.fromisoformat(str(closed[0][0]))
    end = start + timedelta(seconds=30)
    with opened(browser, f"{demo.url}/devices?thing=barn-south&series=temperature") as watched:
        page = watched.page
        page.get_by_role("button", name="Range", exact=True).click()
        page.get_by_label("From", exact=True).fill(start.strftime("%Y-%m-%dT%H:%M:%S"))
        page.get_by_label("To", exact=True).fill(end.strftime("%Y-%m-%dT%H:%M:%S"))
        page.get_by_role("button", name="Show", exact=True).click()
        expect(page.locator("article table tbody tr")).to_have_count(3)
        shown = rows_shown(page)
        page.get_by_role("button", name="Export these rows").click()
        with page.expect_download() as download:
            page.get_by_role("link", name=re.compile(f"^{format}", re.IGNORECASE)).click()
        path = tmp_path / f"rows.{format}"
        download.value.save_as(path)
    if format == "csv":
        table = list(csv.DictReader(io.StringIO(path.read_text())))
        outputs = ("count", "average", "minimum", "maximum")
        rows = [[row["window_start"][11:19], *(row[name] for name in outputs)] for row in table]
        assert {row["device_id"] for row in table} == {"barn-south"}
    else:
        frame = pl.read_parquet(path)
        assert frame["device_id"].unique().to_list() == ["barn-south"]
        rows = [
            [row["window_start"].strftime("%H:%M:%S"), row["count"], row["average"], row["minimum"], row["maximum"]]
            for row in frame.to_dicts()
        ]
    assert len(rows) == len(shown) == 3
    for exported, cells in zip(reversed(rows), shown, strict=True):
        assert exported[0] == begins(cells)
        assert int(exported[1]) == int(cells[1])
        for value, cell in zip(exported[2:], cells[2:], strict=True):
            decimals = len(cell.partition(".")[2])
            assert number_of(cell) == pytest.approx(float(value), abs=0.5000001 * 10**-decimals)


def test_a_live_export_has_the_rows_on_screen(browser: Browser, demo: Site) -> None:
    closed_windows(demo, "office-14", "temperature", 3)
    with opened(browser, f"{demo.url}/devices?thing=office-14&series=temperature") as watched:
        page = watched.page
        wait_for(lambda: len(rows_shown(page)) >= 4, "windows are shown")
        page.get_by_role("button", name="Export these rows").click()
        with page.expect_download() as download:
            shown = rows_shown(page)
            page.get_by_role("link", name=re.compile("^CSV")).click()
        table = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    exported = {row["window_start"][11:19]: int(row["count"]) for row in table}
    closed = {begins(row): int(row[1]) for row in shown if "open" not in row[0]}
    assert closed.items() <= exported.items()
    newest = max(row["window_start"] for row in table)[11:19]
    assert set(exported) - {begins(row) for row in shown} <= {newest}  # one may have begun since


def test_a_range_that_cannot_be_is_said_so(browser: Browser, demo: Site) -> None:
    with opened(browser, f"{demo.url}/devices?thing=office-12&series=temperature") as watched:
        page = watched.page
        page.get_by_role("button", name="Range", exact=True).click()
        page.get_by_label("From", exact=True).fill("2026-01-02T00:00:00")
        page.get_by_label("To", exact=True).fill("2026-01-01T00:00:00")
        page.get_by_role("button", name="Show", exact=True).click()
        expect(page.get_by_text("The range must begin before it ends.")).to_be_visible()
        page.get_by_label("To", exact=True).fill("2026-01-03T00:00:00")
        page.get_by_role("button", name="Show", exact=True).click()
        expect(page.get_by_text("Nothing in this range")).to_be_visible()
        page.get_by_role("button", name="Show the hour before it").click()
        expect(page.locator("article table tbody tr").first).to_be_visible()


def test_a_link_restores_everything(browser: Browser, demo: Site) -> None:
    closed = closed_windows(demo, "mast-east", "humidity", 3)
    with opened(browser, f"{demo.url}/devices") as watched:
        page = watched.page
        page.get_by_role("searchbox").fill("east")
        page.get_by_role("combobox", name="Sensor").select_option("humidity")
        select(page, "mast-east", "humidity")
        page.get_by_role("button", name="Range", exact=True).click()
        page.get_by_label("From", exact=True).fill(str(closed[0][0])[:19])
        page.get_by_label("To", exact=True).fill(str(closed[1][1])[:19])
        page.get_by_role("button", name="Show", exact=True).click()
        expect(page.locator("article table tbody tr")).to_have_count(2)
        link, rows = page.url, rows_shown(page)
    with opened(browser, link, color_scheme="dark") as watched:
        page = watched.page
        expect(page.get_by_role("searchbox")).to_have_value("east")
        expect(page.get_by_role("combobox", name="Sensor")).to_have_value("humidity")
        expect(page.locator("article h1")).to_have_text("mast-east")
        expect(page.get_by_role("button", name="Range", exact=True)).to_have_attribute("aria-pressed", "true")
        expect(page.locator("article table tbody tr")).to_have_count(2)
        assert rows_shown(page) == rows
        assert page.url == link
        page.get_by_role("button", name="2 min").click()
        page.go_back()
        expect(page.locator("article table tbody tr")).to_have_count(2)
