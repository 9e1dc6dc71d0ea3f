"""A server over real stores in memory, with the real intake and engine, on a port of its own."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, ClassVar, Literal

import httpx2
import msgspec
import orjson
import polars as pl

from wayside.adapters.intake import FeedIntake
from wayside.broker import MemoryBroker
from wayside.clock import SYSTEM
from wayside.dataflow import EmbeddedEngine
from wayside.domain import (
    Answer,
    Domain,
    Endpoint,
    Feed,
    Geometry,
    Layer,
    Plan,
    Queries,
    Topic,
    count,
    maximum,
    mean,
    minimum,
)
from wayside.hot.memory import MemoryStore
from wayside.ports import Broker
from wayside.quarantine import SPEC
from wayside.record import Record, field
from wayside.server.app import create_app
from wayside.server.limits import Limits
from wayside.server.serve import listen, server
from wayside.server.services import Services

TOKEN = "made for tests"
RECORDS = "/v1/topics/samples/records"


class Sample(Record, key=("station", "sensor"), time="at"):
    """One value that a station measured."""

    station: str = field(max_length=64, doc="the station's name", example="north")
    sensor: Literal["air", "water"] = field(doc="what was measured")
    at: datetime = field(doc="when it was measured")
    value: float = field(ge=-90, le=90, unit="Cel", doc="the temperature")
    count: int | None = field(doc="how many values it stands for")
    note: str | None = field(doc="what somebody wrote")


class Push:
    """A push feed with a path, as the adapters declare it."""

    kind: ClassVar[str] = "push"
    path = "/api/sample"
    status = 200


class Plain:
    """A feed without a path: what is posted to the topic itself."""

    kind: ClassVar[str] = "push"
    path = None
    status = 202


class Asked(msgspec.Struct):
    """What the domain's own endpoint takes."""

    stations: list[str]


def means(queries: Queries, asked: Any, given: Any) -> Answer:
    """Mean per station over all time."""
    start, end = datetime(2000, 1, 1, tzinfo=UTC), queries.now() + timedelta(days=1)
    rows = queries.summary("rollup", start, end, by=["station"], where={"station": asked.stations})
    return Answer(200, [{"station": row["station"], "mean": row["mean"]} for row in rows.to_dicts()])


def fails(queries: Queries, asked: Any, given: Any) -> Answer:
    """A domain's mistake."""
    raise ZeroDivisionError("the secret is 4711")


def panics(queries: Queries, asked: Any, given: Any) -> Answer:
    """What the frame engine does instead of raising an Exception."""
    raise KeyboardInterrupt("the secret is 4711")


COAST: dict[str, Any] = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "id": f"part {n}",
            "geometry": {"type": "LineString", "coordinates": [[8.0 + n, 54.0], [9.0 + n, 54.5]]},
            "properties": {"name": f"Part {n}", "color": "#0088cc"},
        }
        for n in range(20)
    ],
}


def coast() -> dict[str, Any]:
    """A geometry that does not change."""
    return COAST


def weather() -> Plan:
    """One topic with a push feed, a stream, a window, a table, two layers and an endpoint."""
    samples = Topic("samples", Sample)
    samples.feed("pushed", Push())
    warm = samples.where("warm", pl.col("value") > 0)
    rollup = samples.window(
        "rollup",
        every="10s",
        by=["station", "sensor"],
        n=count(),
        mean=mean("value"),
        low=minimum("value"),
        high=maximum("value"),
    )
    latest = samples.table("latest", search=["station"])
    warmest = warm.table("latest_warm", by=["station"])
    layer = Layer("temperatures", "Temperatures", "latest", "station", "value", "at", series="sensor", window="rollup")
    bare = Layer("warm", "Warm", "latest_warm", "station", "value", "at", unit="Cel")
    endpoint = Endpoint("POST", "/api/means", means, "Means of stations", body=Asked, example={"stations": ["north"]})
    broken = [
        Endpoint("GET", f"/api/{each.__name__}", each, "Fails", replies={500: "always"}) for each in (fails, panics)
    ]
    endpoints = [endpoint, *broken]
    domain = Domain(
        "weather", "Weather", [rollup, latest, warmest], layers=[layer, bare], endpoints=endpoints,
        geometries=[Geometry("coast", "Coast", "lines", coast)],
    )  # fmt: skip
    return Plan.of([domain])


class Site:
    """Everything that runs, and a client for it."""

    def __init__(
        self, *, limits: Limits | None = None, plan: Plan | None = None, broker: Broker | None = None, **more: Any
    ) -> None:
        """`plan` is another one than that of this file, `broker` another log than one in memory; `more` goes to the
        services."""
        self.limits = limits or Limits()
        self.plan = plan or weather()
        self.broker: Any = broker or MemoryBroker()
        self.store = MemoryStore()
        for topic in self.plan.topics.values():
            self.broker.create(topic.spec)
        self.broker.create(SPEC)
        self.store.ensure([t.spec for t in self.plan.tables.values()], [w.spec for w in self.plan.windows.values()])
        self.engine = EmbeddedEngine(self.plan, self.broker, self.store)
        plain = {name: Feed(name, name, t.record, Plain(), t.record) for name, t in self.plan.topics.items()}
        self.intakes = {name: FeedIntake(feed, self.broker) for name, feed in (plain | self.plan.feeds).items()}
        self.reasons: list[str] = []
        self.services = Services(
            plan=self.plan,
            broker=self.broker,
            store=self.store,
            engine=self.engine,
            intakes=self.intakes,
            limits=self.limits,
            readiness=lambda: self.reasons,
            version="1.2.3",
            **{"admin_token": TOKEN, **more},
        )
        self.app = create_app(self.services)

    def __enter__(self) -> Site:
        self.listener = listen("127.0.0.1", 0, self.limits)
        self.port: int = self.listener.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self.server = server(self.app, self.limits)
        self.engine.start()
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]})
        self.thread.start()
        wait_for(lambda: self.server.started)
        self.client = httpx2.Client(base_url=self.base, timeout=20)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.client.close()
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive(), "the server did not end"
        for intake in self.intakes.values():
            intake.close()
        self.engine.stop()
        self.broker.close()

    def post(self, records: Any, path: str = RECORDS, **headers: str) -> httpx2.Response:
        """Post JSON; bytes go as they are."""
        body = records if isinstance(records, bytes) else orjson.dumps(records)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, content=body, headers={"content-type": "application/json", **named})

    def settle(self) -> None:
        """Wait until the engine has seen everything that the log holds."""

        def seen() -> bool:
            ends = {(n, i.partition): i.end for n in self.plan.topics for i in self.broker.partitions(n) if i.end}
            checkpoint = self.store.checkpoint("engine")
            if checkpoint is None:
                return not ends
            heard = self.app.state.hub.ring.latest >= checkpoint.sequence
            return heard and all(checkpoint.positions.get(place, 0) >= end for place, end in ends.items())

        wait_for(seen)

    def total(self) -> int:
        """Records in the log."""
        return sum(info.end for name in self.plan.topics for info in self.broker.partitions(name))

    def raw(self, data: bytes, *, timeout: float = 15, shut: bool = False) -> bytes:
        """Send bytes over a connection of its own, and read until the server ends it or has answered."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(data)
            if shut:
                connection.shutdown(socket.SHUT_WR)
            return answer_of(connection)


def answer_of(connection: socket.socket) -> bytes:
    """Everything up to the end of the first answer with a content length, or of the connection."""
    found = b""
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            return found
        found += part
        head, gap, body = found.partition(b"\r\n\r\n")
        lengths = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if not part or (gap and lengths and len(body) >= lengths[0]):
            return found


def sample(station: str = "north", value: float = 1.5, *, at: str | None = None, **more: Any) -> dict[str, Any]:
    """A record that passes every rule."""
    moment = at or SYSTEM.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"station": station, "sensor": "air", "at": moment, "value": value, **more}


def wait_for(done: Callable[[], bool], seconds: float = 10) -> None:
    """Look again and again until it is done."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.005)


def serve() -> None:
    """A site in a process of its own: prints its port, and ends with its input."""
    with Site() as site:
        print(site.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    serve()
