"""What tests of the made city share. At night little runs: they ask what there is, and look for that."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import Page

from browser.sites import Site, wait_for
from browser.test_boards import row_texts
from wayside_domains.transit import city
from wayside_domains.transit.simulation import Positions, positions_of

THINGS = 90


def vehicles() -> Positions:
    """The city's vehicles, the same each time."""
    return positions_of(city.timetable)(THINGS, random.Random(50))


def under_way(at: datetime, begin: datetime) -> list[int]:
    """The vehicles on a trip at an instant, some minutes after its start: at night a few, at the rush most.

    Vehicles have the numbers that those have which first spoke at `begin`. Skips the test where fewer than two are on
    their way: the city has no trips for the hour by which its clocks are put back, once a year.
    """
    world = vehicles()
    world.operations.until(begin)
    known = [world.vehicle(thing, at) for thing in range(THINGS)]
    runs = [vehicle.run_at(at.timestamp(), -300, -60) if vehicle else None for vehicle in known]
    found = [thing for thing, run in enumerate(runs) if run is not None and not run.silent]
    if len(found) < 2:
        pytest.skip(f"{len(found)} vehicles of the city are under way at {at:%Y-%m-%d %H:%M} UTC")
    return found


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
