"""Two server replicas in front of one engine, on Kafka and PostgreSQL, each a process of its own."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cluster.site import Site, Wayside

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]
RECORDS = "/v1/topics/processed_messages/records"
LIVE = "/v1/live?tables=device_latest&windows=device_rollup"
START = datetime(2026, 1, 5, 12, tzinfo=UTC)
RANGE = "from=2026-01-05T00:00:00Z&to=2026-01-06T00:00:00Z"
QUESTIONS = (
    f"/v1/windows/device_rollup?{RANGE}",
    f"/v1/windows/device_rollup/summary?{RANGE}&by=device_id",
    "/v1/windows/device_rollup/late",
    "/v1/tables/device_latest",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    from cluster.site import missing, running

    if (reason := missing()) is not None:
        pytest.skip(reason)
    with running(tmp_path_factory.mktemp("site"), env={"WAYSIDE_LAKE": "false"}) as made:
        yield made


def asked(part: Wayside, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", part.port, timeout=30)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"content-type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def readings(first: int, number: int, device: str) -> list[dict[str, Any]]:
    """One reading per half second of event time; the value is its number."""
    return [
        {
            "device_id": device,
            "timestamp": (START + timedelta(seconds=n / 2)).isoformat(),
            "sensor": "temperature",
            "value": float(n),
            "unit": "Cel",
        }
        for n in range(first, first + number)
    ]


def rows(part: Wayside, path: str) -> list[list[Any]]:
    status, body = asked(part, "GET", path)
    assert status == 200, body
    return list(json.loads(body)["rows"])


def counted(part: Wayside, device: str) -> int:
    """Readings of a device in all windows, open ones too."""
    found = rows(part, f"/v1/windows/device_rollup/summary?{RANGE}&by=device_id&device_id={device}")
    return int(found[0][1]) if found else 0


def until(found: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


class Listener:
    """Reads a live stream; what it has learned is kept, and the id with which it would come again."""

    def __init__(self, part: Wayside, last: str = "") -> None:
        self.names: list[str] = []
        self.newest: dict[str, float] = {}
        self.last = last
        self.comments = ""
        headers = {"last-event-id": last} if last else {}
        self.connection = http.client.HTTPConnection("127.0.0.1", part.port, timeout=60)
        self.connection.request("GET", LIVE, headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self) -> None:
        name = ""
        try:
            for raw in self.answer:
                kind, _, value = raw.decode().rstrip("\n").partition(": ")
                if kind == "":
                    self.comments += value
                elif kind == "event":
                    name = value
                elif kind == "id":
                    self.last = value
                elif kind == "data":
                    self.take(name, json.loads(value))
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            return  # the other side has gone, or we have

    def take(self, name: str, body: dict[str, Any]) -> None:
        table = body.get("tables", {}).get("device_latest")
        if table:
            columns = [column["name"] for column in table["columns"]]
            for row in table["rows"]:
                found = dict(zip(columns, row, strict=True))
                self.newest[found["device_id"]] = found["value"]
        self.names.append(name)


def test_two_replicas_give_the_same_answers(site: Site) -> None:
    one, two = site.replicas
    assert asked(one, "POST", RECORDS, readings(0, 100, "a"))[0] == 202
    assert asked(two, "POST", RECORDS, readings(100, 100, "a") + readings(0, 5, "late"))[0] == 202
    until(lambda: counted(one, "a") == 200)
    until(lambda: all(rows(one, question) == rows(two, question) for question in QUESTIONS))
    assert rows(one, QUESTIONS[0])
    assert rows(one, QUESTIONS[2])


def test_a_live_stream_goes_on_at_the_other_replica(site: Site) -> None:
    one, two = site.replicas
    first = Listener(one)
    until(lambda: "snapshot" in first.names)
    asked(two, "POST", RECORDS, readings(200, 1, "b"))
    until(lambda: first.newest.get("b") == 200.0)
    last = first.last
    first.connection.sock.close() if first.connection.sock else None
    asked(one, "POST", RECORDS, readings(201, 1, "b") + readings(201, 1, "c"))
    until(lambda: [row for row in rows(two, "/v1/tables/device_latest") if row[0] == "c"])
    second = Listener(two, last)
    until(lambda: second.newest.get("b") == 201.0)
    assert second.newest["c"] == 201.0
    assert "resumed" in second.comments
    assert "snapshot" not in second.names
    assert int(second.last) > int(last)


def test_a_replica_is_killed_while_clients_post_and_listen(site: Site) -> None:
    one, two = site.replicas
    listener = Listener(one)
    until(lambda: "snapshot" in listener.names)
    acknowledged = 0
    for number in range(40):
        body, key = readings(400 + 5 * number, 5, "k"), f"post-{number}"
        if number == 12:
            one.kill()
        for part in (one, two):  # as a client behind a balancer: what got no answer goes to the other, under its key
            try:
                status, said = asked(part, "POST", RECORDS, body, **{"idempotency-key": key})
            except OSError:
                continue
            assert status == 202, said
            acknowledged += 5
            break
    assert acknowledged == 200
    began = time.monotonic()
    other = Listener(two, listener.last)
    until(lambda: other.newest.get("k") == 599.0)
    print(f"the other replica went on after {time.monotonic() - began:.2f} s")
    until(lambda: counted(two, "k") == 200)
    one.start()
    until(lambda: counted(one, "k") == 200)
    assert all(rows(one, question) == rows(two, question) for question in QUESTIONS)


def test_postgres_is_away_for_a_moment(site: Site) -> None:
    one, two = site.replicas
    site.postgres.stop()
    assert asked(one, "POST", RECORDS, readings(700, 100, "p"))[0] == 202
    status, said = asked(two, "GET", QUESTIONS[3])
    assert (status, json.loads(said)["detail"].startswith("The hot store does not answer")) == (503, True), said
    site.postgres.start()
    until(lambda: answered(two))
    until(lambda: counted(two, "p") == 100)
    until(lambda: all(rows(one, question) == rows(two, question) for question in QUESTIONS))


def answered(part: Wayside) -> bool:
    return asked(part, "GET", QUESTIONS[3])[0] == 200
