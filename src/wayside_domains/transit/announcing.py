"""Notices as alerts of GTFS-Realtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wayside_domains.transit.known import Known
from wayside_domains.transit.outgoing import trip_of
from wayside_domains.transit.present import Present

CAUSES = {
    "UNKNOWN_CAUSE", "OTHER_CAUSE", "TECHNICAL_PROBLEM", "STRIKE", "DEMONSTRATION", "ACCIDENT", "HOLIDAY", "WEATHER",
    "MAINTENANCE", "CONSTRUCTION", "POLICE_ACTIVITY", "MEDICAL_EMERGENCY",
}  # fmt: skip
EFFECTS = {
    "NO_SERVICE", "REDUCED_SERVICE", "SIGNIFICANT_DELAYS", "DETOUR", "ADDITIONAL_SERVICE", "MODIFIED_SERVICE",
    "OTHER_EFFECT", "UNKNOWN_EFFECT", "STOP_MOVED", "NO_EFFECT", "ACCESSIBILITY_ISSUE",
}  # fmt: skip
OTHER_EFFECTS = {
    "DELAY": "SIGNIFICANT_DELAYS", "SUSPENSION": "NO_SERVICE", "CANCELLATION": "REDUCED_SERVICE",
    "SCHEDULE_CHANGE": "MODIFIED_SERVICE", "SERVICE_CHANGE": "MODIFIED_SERVICE", "SHUTTLE": "MODIFIED_SERVICE",
    "EXTRA_SERVICE": "ADDITIONAL_SERVICE", "STOP_MOVE": "STOP_MOVED", "ACCESS_ISSUE": "ACCESSIBILITY_ISSUE",
    "ELEVATOR_CLOSURE": "ACCESSIBILITY_ISSUE", "ESCALATOR_CLOSURE": "ACCESSIBILITY_ISSUE",
}  # fmt: skip
"""Words of agencies that the standard does not have."""
SEVERITIES = {"UNKNOWN_SEVERITY", "INFO", "WARNING", "SEVERE"}
WARNING, SEVERE = 4, 7
"""From which numbers on MBTA's severity, 0 to 10, is one of these."""
Row = Mapping[str, Any]
Value = dict[str, Any]


def alerts(present: Present) -> list[Value]:
    """One entity per notice that is not over and concerns something that readers can know."""
    return [
        {"id": row["alert_id"], "alert": found}
        for row in sorted(present.notices, key=lambda row: str(row["alert_id"]))
        if (row["active_to"] is None or row["active_to"] >= present.now) and (found := alert(present, row))
    ]


def alert(present: Present, row: Row) -> Value | None:
    """A notice as an Alert; null where it concerns nothing that the timetable has, or says nothing."""
    informed = list(concerned(present, row))
    header = row["header"] or row["description"]
    if not informed or not header:
        return None
    period = {name: row[column] for name, column in (("start", "active_from"), ("end", "active_to"))}
    times = {name: int(value.timestamp()) for name, value in period.items() if value is not None}
    # Some readers refuse an alert without a description, though the standard does not ask for one.
    texts = {"header_text": header, "description_text": row["description"] or header, "url": row["url"]}
    effect = OTHER_EFFECTS.get(str(row["effect"]), row["effect"] or "UNKNOWN_EFFECT")
    return {
        **({"active_period": [times]} if times else {}),
        "informed_entity": informed,
        "cause": (row["cause"] if row["cause"] in CAUSES else "OTHER_CAUSE") if row["cause"] else "UNKNOWN_CAUSE",
        "effect": effect if effect in EFFECTS else "OTHER_EFFECT",
        "severity_level": severity(row["severity"]),
        **{name: {"translation": [{"text": text}]} for name, text in texts.items() if text},
    }


def severity(told: str | None) -> str:
    """A severity of the standard, by its name or by MBTA's number."""
    if told is not None and told.isascii() and told.isdigit():
        return "SEVERE" if int(told) >= SEVERE else "WARNING" if int(told) >= WARNING else "INFO"
    return told if told in SEVERITIES else "UNKNOWN_SEVERITY"


def concerned(present: Present, row: Row) -> Iterator[Value]:
    """What a notice is about, as far as the timetable has it; one that names nothing is about all routes."""
    known = present.known
    trips, routes, stops = ((row[name] or "").split() for name in ("trips", "routes", "stops"))
    if known is None:
        kinds = (("route_id", routes), ("stop_id", stops))
        yield from ({name: one} for name, many in kinds for one in many)
        yield from ({"trip": {"trip_id": one}} for one in trips)
        if not (trips or routes or stops):
            yield {"agency_id": present.network}
        return
    if not (trips or routes or stops):
        yield from ({"route_id": route} for route in sorted(known.routes))
    running = [trip_of(present, one, None) for one in trips if known.timetable.trip(one) is not None]
    for trip in running:
        yield {"trip": {name: trip[name] for name in ("trip_id", "start_time", "route_id") if name in trip}}
    if stops or not running:  # beside trips, their routes are named only to say whose they are
        served = [route for route in routes if route in known.routes]
        yield from pairs(known, served, [stop for stop in stops if stop in known.stops])


def pairs(known: Known, routes: list[str], stops: list[str]) -> Iterator[Value]:
    """Routes at stops. Feeds name both, and our notices keep them apart: a route goes with the stops that it serves."""
    alone = set(routes)
    for stop in stops:
        serving = [route for route in routes if route in known.routes_at.get(stop, ())]
        alone -= set(serving)
        yield from ({"route_id": route, "stop_id": stop} for route in serving)
        if not serving:
            yield {"stop_id": stop}
    yield from ({"route_id": route} for route in routes if route in alone)
