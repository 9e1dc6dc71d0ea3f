"""The live stream: snapshot, commits, resume without a gap, topic tail, heartbeats, and readers that do not read."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from server_site import Site, sample, wait_for
from wayside.server.limits import Limits

Event = tuple[str, str, Any]


@contextmanager
def listening(site: Site, path: str, **headers: str) -> Iterator[Iterator[Event]]:
    """Events of a subscription: name, id and data."""
    with site.client.stream("GET", path, headers=headers, timeout=10) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[Event]:
    """Parse server-sent events; comments come as events named `:`."""
    name, id, data = "", "", ""
    for line in lines:
        if line.startswith(":"):
            yield ":", id, line[1:].strip()
        elif not line:
            if name:
                yield name, id, json.loads(data)
            name, data = "", ""
        elif line.startswith("event: "):
            name = line[7:]
        elif line.startswith("id: "):
            id = line[4:]
        elif line.startswith("data: "):
            data = line[6:]


def until(found: Iterator[Event], name: str) -> Event:
    """The next event of a name."""
    return next(event for event in found if event[0] == name)


def stations(event: Event, table: str = "latest") -> list[str]:
    """Stations of a table's rows in an event."""
    return [row[0] for row in event[2]["tables"].get(table, {"rows": []})["rows"]]


def test_a_snapshot_first_then_every_commit(site: Site) -> None:
    site.post([sample("before", 1)])
    site.settle()
    with listening(site, "/v1/live?tables=latest&windows=rollup") as found:
        first = next(found)
        assert first[0] == "snapshot"
        assert "before" in stations(first)
        assert first[1] == str(first[2]["sequence"])
        assert first[2]["windows"]["rollup"]["rows"][-1][-1] is True
        posted = time.monotonic()
        site.post([sample("after", 2)])
        event = until(found, "commit")
        assert stations(event) == ["after"]
        assert time.monotonic() - posted < 2
        assert event[2]["sequence"] > first[2]["sequence"]


def test_only_what_was_wished_for(site: Site) -> None:
    with listening(site, "/v1/live?tables=latest&where=station:mine&where=station:ours") as found:
        assert until(found, "snapshot")[2]["windows"] == {}
        site.post([sample("other"), sample("mine"), sample("another")])
        assert stations(until(found, "commit")) == ["mine"]
        site.post([sample("other")])
        site.post([sample("ours")])
        assert stations(until(found, "commit")) == ["ours"]


def test_a_resume_leaves_no_gap(site: Site) -> None:
    with listening(site, "/v1/live?tables=latest") as found:
        last = until(found, "snapshot")[1]
    for number in range(5):
        site.post([sample(f"gap-{number}")])
        site.settle()
    with listening(site, "/v1/live?tables=latest", **{"last-event-id": last}) as found:
        assert next(found)[2] == "resumed"
        seen: list[str] = []
        while len(seen) < 5:
            seen += stations(until(found, "commit"))
        assert seen == [f"gap-{number}" for number in range(5)]
    with listening(site, f"/v1/live?tables=latest&last_event_id={last}") as found:
        assert next(found)[2] == "resumed"


@pytest.mark.parametrize("last", ["0", "99999999", "nonsense", "-5", "12a"])
def test_an_id_that_is_too_old_or_made_up_gets_a_snapshot(site: Site, last: str) -> None:
    site.post([sample("old")])
    site.settle()
    headers = {"last-event-id": last}
    limits = site.services.limits
    site.app.state.hub.ring._limits = replace(limits, ring_events=1)
    try:
        site.post([sample("new")])
        site.settle()
        with listening(site, "/v1/live?tables=latest", **headers) as found:
            assert next(found)[0] == "snapshot"
    finally:
        site.app.state.hub.ring._limits = limits


def test_the_ids_of_two_subscribers_agree_with_the_table_after_a_storm(site: Site) -> None:
    with listening(site, "/v1/live?tables=latest&where=station:storm") as found:
        rows = {tuple(row[:2]): row for row in until(found, "snapshot")[2]["tables"]["latest"]["rows"]}
        for number in range(60):
            site.post([sample("storm", number)])
        site.settle()
        while rows.get(("storm", "air"), [None] * 4)[3] != 59.0:
            for row in until(found, "commit")[2]["tables"]["latest"]["rows"]:
                rows[tuple(row[:2])] = row
    (stored,) = site.client.get("/v1/tables/latest?station=storm").json()["rows"]
    assert rows["storm", "air"] == stored


def test_a_topics_tail(site: Site) -> None:
    with listening(site, "/v1/live?topics=samples,_quarantine") as found:
        assert next(found)[0] == "snapshot"
        site.post([sample("tailed", 7)])
        _, _, data = until(found, "records")
        assert (data["topic"], [row[3] for row in data["rows"]]) == ("samples", ["tailed"])
        assert [column["name"] for column in data["columns"][:2]] == ["_partition", "_offset"]
        site.post({"station": "bad"})
        _, _, data = until(found, "records")
        assert data["topic"] == "_quarantine"
        assert json.loads(data["rows"][0][-1]) == {"station": "bad"}


def test_heartbeats_bring_the_position_and_old_subscriptions_end() -> None:
    with Site(limits=replace(Limits(), heartbeat_seconds=0.3, life_seconds=1.5)) as site:
        with listening(site, "/v1/live?tables=latest") as found:
            names = [event[0] for event in found]
        assert names[0] == "snapshot"
        assert names.count(":") >= 2
        wait_for(lambda: not site.app.state.hub.subscribers)


def test_only_so_many_may_listen() -> None:
    with Site(limits=replace(Limits(), subscribers=2)) as site:
        with listening(site, "/v1/live?tables=latest"), listening(site, "/v1/live?tables=latest"):
            wait_for(lambda: len(site.app.state.hub.subscribers) == 2)
            refused = site.client.get("/v1/live?tables=latest")
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "10"
        wait_for(lambda: not site.app.state.hub.subscribers)
        with listening(site, "/v1/live?tables=latest") as found:
            assert next(found)[0] == "snapshot"


def test_twenty_rounds_of_coming_and_going_leave_nobody(site: Site) -> None:
    for _ in range(20):
        with listening(site, "/v1/live?tables=latest") as found:
            next(found)
    wait_for(lambda: not site.app.state.hub.subscribers)


def dead_reader(site: Site) -> socket.socket:
    """A subscriber that never reads."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", site.port))
    connection.sendall(b"GET /v1/live?tables=latest HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    return connection


def test_a_reader_that_does_not_read_is_evicted_and_counted() -> None:
    limits = replace(Limits(), send_seconds=2.0, queue_bytes=64 * 1024, queue_events=16)
    with Site(limits=limits) as site:
        hub = site.app.state.hub
        dead = dead_reader(site)
        with listening(site, "/v1/live?tables=latest") as found:
            wait_for(lambda: len(hub.subscribers) == 2)
            note = "x" * 2000
            began = time.monotonic()
            while hub.evicted == 0:
                site.post([sample(f"s{number}", note=note) for number in range(60)])
                until(found, "commit")
                assert time.monotonic() - began < 20
            wait_for(lambda: len(hub.subscribers) == 1, 10)
            site.post([sample("alive")])
            while "alive" not in stations(until(found, "commit")):
                pass
        assert hub.evicted == 1
        dead.close()
