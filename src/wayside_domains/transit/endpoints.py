"""Questions about stops and their departures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import Any

from wayside.domain import AT, Answer, Endpoint, Queries, dated, problem
from wayside_domains.transit.answering import UNHEARD, Tables, iso
from wayside_domains.transit.boards import Departure, departures, runs_of, words_of
from wayside_domains.transit.foretold import predictions_at
from wayside_domains.transit.heard import networks_of
from wayside_domains.transit.networks import Networks

TEXT = {"type": "string", "maxLength": 256}
MOST = 24 * 60


MINUTES = {"type": "integer", "minimum": 0, "maximum": MOST}
PARAMETERS = {
    "network": TEXT,
    "stop": TEXT,
    "before": {**MINUTES, "default": 5, "description": "minutes back"},
    "ahead": {**MINUTES, "default": 30, "description": "minutes ahead"},
    "at": AT,
}
REPLIES = {200: "departures in the order of their expected times", 404: "no such stop", 422: "a wrong parameter"}


def board_of(networks: Networks, tables: Tables, name: str, zone: str) -> Endpoint:
    """`GET /api/<name>/departures`: the board of one stop; `zone` is that of networks without a timetable."""

    def board(queries: Queries, _: Any, given: Mapping[str, str]) -> Answer:
        missing = [parameter for parameter in ("network", "stop") if not given.get(parameter)]
        if missing:
            return problem(422, "A parameter is missing", f"Give {' and '.join(f'`{each}`' for each in missing)}.")
        try:
            before, ahead = (int(given.get(key, default)) for key, default in (("before", "5"), ("ahead", "30")))
        except ValueError:
            return problem(422, "Not a number", "`before` and `ahead` are whole minutes.")
        if not (0 <= before <= MOST and 0 <= ahead <= MOST):
            return problem(422, "Out of range", f"`before` and `ahead` are 0 to {MOST} minutes.")
        network, stop, now, past = given["network"], given["stop"], queries.now(), bool(given.get("at"))
        then = networks_of(networks, queries, given)
        timetable = then.timetable(network)
        if network not in networks.by_name or (timetable is not None and timetable.place(stop) is None):
            known = ", ".join(network.name for network in networks)
            return problem(404, "Not found", f"There is no such stop in that network. Networks: {known}.")
        heard = queries.table(tables.vehicles, {"network": [network]})
        expects = partial(predictions_at, queries, tables.predictions, network, past=past)
        span = {"before": timedelta(minutes=before), "ahead": timedelta(minutes=ahead)}
        rows = departures(timetable, stop, now, runs_of(heard), **span, expects=expects)
        place = timetable.place(stop) if timetable is not None else None
        head = {
            "now": iso(now),
            "zone": timetable.zone if timetable is not None else zone,
            "network": network,
            "stop_id": stop,
            "stop": place[0] if place is not None else stop,
        }
        notes = [*then.notes, *([UNHEARD] if past and heard.is_empty() else [])]
        return Answer(200, head | written(rows, notes))

    summary = "What leaves a stop or station: planned and expected"
    return Endpoint("GET", f"/api/{name}/departures", dated(board), summary, parameters=PARAMETERS, replies=REPLIES)


def written(rows: list[Departure], notes: list[str]) -> dict[str, Any]:
    """The lines of a board, what their expected times rest on, and what is to be said of both."""
    return {
        "basis": words_of((row.basis for row in rows), "schedule plus the vehicle's present delay"),
        "notes": notes,
        "departures": [
            {**asdict(row), "planned": iso(row.planned) if row.planned else None, "expected": iso(row.expected)}
            for row in rows
        ],
    }
