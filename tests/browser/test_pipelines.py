"""The pipelines page: the plan, the log by offset, time, text and tail, and the quarantine with replay."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from browser.sites import MOMENT, Site, opened, reading, running, serious_findings, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def cells(page: Page, column: str) -> list[str]:
    """One column of the records' table."""
    heads = [head.strip() for head in page.locator(".rows th").all_inner_texts()]
    if column not in heads:
        return []
    at = heads.index(column)
    return page.locator(".rows tbody tr").evaluate_all(f"rows => rows.map(row => row.cells[{at}].innerText)")


def test_the_table_says_what_the_picture_shows(browser: Browser, demo: Site) -> None:
    with opened(browser, f"{demo.url}/pipelines") as watched:
        page = watched.page
        plan = demo.get("/v1/plan")
        expect(page.locator("svg g")).to_have_count(len(plan["nodes"]))
        expect(page.locator("svg path.edge")).to_have_count(len(plan["edges"]))
        for node in plan["nodes"]:
            expect(page.locator("svg .label", has_text=node["label"])).not_to_have_count(0)
            row = page.get_by_role("row", name=re.compile(f"^{node['label']} {node['kind']} "))
            expect(row).to_have_count(1)
        fleet = page.get_by_role("row", name=re.compile("^demo fleet feed flowing "))
        before = fleet.get_by_role("cell").nth(4).inner_text()
        wait_for(lambda: fleet.get_by_role("cell").nth(4).inner_text() != before, "the count grows")
        watermark = page.get_by_role("row", name=re.compile("^device rollup window ")).get_by_role("cell").nth(8)
        wait_for(lambda: re.fullmatch(MOMENT, watermark.inner_text()), "the watermark is a time", 30)
        page.get_by_role("link", name="processed messages").click()
        expect(page.get_by_role("heading", name="processed_messages")).to_be_visible()


def test_that_there_is_more_of_the_plan_beside_is_seen(browser: Browser, demo: Site) -> None:
    with opened(browser, f"{demo.url}/pipelines", viewport={"width": 900, "height": 800}) as watched:
        page = watched.page
        right = page.get_by_role("button", name="More at the right")
        left = page.get_by_role("button", name="More at the left")
        expect(right).to_be_visible(timeout=15_000)
        expect(left).to_have_count(0)
        while right.count():
            right.click()
            wait_for(lambda: left.count() == 1, "it has moved")
            page.wait_for_timeout(700)  # it glides there
        last = page.locator("svg .label", has_text="stop headways")
        expect(last).to_be_in_viewport()
        page.set_viewport_size({"width": 3_000, "height": 800})
        expect(left).to_have_count(0)
        expect(right).to_have_count(0)


def test_the_log_by_offset_time_and_text(browser: Browser, quiet: Site) -> None:
    quiet.post([reading(f"meter-{number:03}", float(number), ago=600 - number) for number in range(350)])
    parts = next(one for one in quiet.get("/v1/topics") if one["name"] == "processed_messages")["partitions"]
    with opened(browser, f"{quiet.url}/pipelines?view=topics&topic=processed_messages") as watched:
        page = watched.page
        wait_for(lambda: cells(page, "offset")[-1:] == [str(parts[0]["end"] - 1)], "the newest are shown")
        page.get_by_label("Offset to go to").fill("20")
        page.get_by_role("button", name="Go", exact=True).first.click()
        wait_for(lambda: cells(page, "offset")[:1] == ["20"], "the offset is first")
        page.get_by_role("button", name="Newer").click()
        wait_for(lambda: cells(page, "offset")[:1] == ["120"], "the next page")
        page.get_by_role("button", name="Older").click()
        wait_for(lambda: cells(page, "offset")[:1] == ["20"], "the page before")
        rows = quiet.get("/v1/topics/processed_messages/records", partition=0, offset=50, limit=1)
        at = rows["rows"][0][[column["name"] for column in rows["columns"]].index("timestamp")]
        page.get_by_label(re.compile("^Time to go to")).fill(at[:19])
        page.get_by_role("button", name="Go", exact=True).last.click()
        wait_for(lambda: abs(int((cells(page, "offset") or ["-99"])[0]) - 50) <= 2, "the time is first")
        link = page.url
        page.get_by_role("searchbox").fill("sensor:temperature meter-12")
        wait_for(lambda: all("meter-12" in name for name in cells(page, "device_id")), "only what matches")
        if len(parts) > 1:
            page.get_by_role("combobox", name="Partition").select_option("1")
            wait_for(lambda: set(cells(page, "partition")) == {"1"}, "the other partition")
        page.goto(link)
        wait_for(lambda: abs(int((cells(page, "offset") or ["-99"])[0]) - 50) <= 2, "the link leads to the same place")


def test_the_tail_follows_and_filters(browser: Browser, quiet: Site) -> None:
    with opened(browser, f"{quiet.url}/pipelines?view=topics&topic=processed_messages&find=tail-a") as watched:
        page = watched.page
        page.get_by_role("button", name="Live tail").click()
        expect(page.get_by_role("button", name="Live tail")).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_role("button", name="Older")).to_be_disabled()
        page.wait_for_timeout(500)
        quiet.post([reading("tail-a", 1.0), reading("tail-b", 2.0)])
        quiet.post([reading("tail-a", 3.0)])
        wait_for(lambda: cells(page, "device_id") == ["tail-a", "tail-a"], "the tail shows what matches")


def test_what_was_rejected_is_shown_and_replayed(browser: Browser, quiet: Site) -> None:
    bad: list[dict[str, Any]] = [
        {**reading("broken", 1.0), "value": "<img src=x onerror=alert(1)>"},
        {**reading("broken", 1.0), "timestamp": "yesterday"},
    ]
    answer = httpx2.post(f"{quiet.url}/v1/topics/processed_messages/records", json=[*bad, reading("whole", 1.0)])
    assert answer.json()["rejected"] == 2
    with opened(browser, f"{quiet.url}/pipelines?view=quarantine") as watched:
        page = watched.page
        row = page.get_by_role("row", name=re.compile("onerror=alert"))
        expect(row).to_be_visible()
        row.get_by_role("button", name=re.compile("onerror")).click()
        expect(row.get_by_role("button", name=re.compile("onerror"))).to_have_attribute("aria-expanded", "true")
        row.get_by_role("button", name="Replay").click()
        expect(page.get_by_text("Replayed 1: 0 accepted, 1 rejected again, 0 duplicates.")).to_be_visible()
        rule = page.get_by_role("group", name="Rules").get_by_role("link", name=re.compile("timestamp"))
        rule.click()
        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_role("button", name=re.compile("^Replay all of ")).click()
        expect(page.get_by_text(re.compile("^Send 1 message through feed again"))).to_be_visible()
        page.get_by_role("button", name="Replay", exact=True).first.click()
        expect(page.get_by_text(re.compile(r"^Replayed 1: 0 accepted, 1 rejected again"))).to_be_visible()


def test_the_page_asks_for_the_administrators_token(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "wayside.toml").write_text('admin_token = "a token of ones own"\n')
    with running(tmp_path, "up", "--data-dir", str(tmp_path / "data")) as site:
        bad = {**reading("broken", 1.0), "timestamp": "yesterday"}
        httpx2.post(f"{site.url}/v1/topics/processed_messages/records", json=[bad])
        with opened(browser, f"{site.url}/pipelines?view=quarantine", bypass_csp=True) as watched:
            page = watched.page
            page.locator("tbody tr").get_by_role("button", name="Replay").click()
            field, again = page.get_by_label(re.compile("^Only the administrator")), page.locator("form button").first
            field.fill("wrong")
            again.click()
            expect(page.get_by_text("This is not the administrator's token.")).to_be_visible()
            assert not serious_findings(page)
            field.fill("a token of ones own")
            again.click()
            expect(page.get_by_text("Replayed 1: 0 accepted, 1 rejected again, 0 duplicates.")).to_be_visible()
            expect(field).to_have_count(0)
            watched.forgive("401 (Unauthorized)")
