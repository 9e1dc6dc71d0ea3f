"""What tests of the made city share. At night little runs: they ask what there is, and look for that."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from browser.sites import Site, wait_for
from browser.test_boards import row_texts
from wayside_domains.transit import city


def departed(site: Site, *, measured: bool = False, **asked: Any) -> list[dict[str, Any]]:
    """What went off on one path at one place within the hour; with `measured`, with its headways.

    The place is Central, where any line comes by, else the first of the others where one did.
    """
    for name in ("central", *map(city.slug, city.STATIONS)):
        place = f"halcyon/{name}"
        rows = site.get("/api/transit/passed", place=place, minutes=60, **asked)["rows"]
        own = [row for row in rows if row["event"] == "departure" and row["path"] and (row["headway"] or not measured)]
        ways = [row["path"] for row in own]
        if ways:
            most = max(ways, key=ways.count)
            return [{**row, "place": place} for row in own if row["path"] == most]
    raise AssertionError("nothing of the kind went off anywhere in the city")


def came_by(page: Page, site: Site, at: str) -> list[list[str]]:
    """The rows of "What came by" on the page of lines, which is open: of a line and a stop where something did."""
    one = departed(site, at=at)[0]
    page.get_by_role("navigation", name="Lines").get_by_role("link", name=one["line"], exact=True).click()
    page.get_by_role("combobox", name="Direction").select_option(one["path"])
    page.get_by_role("combobox", name="Stop").select_option(one["place"])
    return list(wait_for(lambda: row_texts(page, "What came by"), "what came by then", 30))
