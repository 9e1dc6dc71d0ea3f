"""Requests to the REST Proxy, and a plan with a feed that takes them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, ClassVar, Literal

import httpx2
import polars as pl

from server_site import Site
from wayside.domain import Domain, Plan, Topic
from wayside.record import Record, field

JSON, BINARY, AVRO = (f"application/vnd.kafka.{kind}.v2+json" for kind in ("json", "binary", "avro"))
PLAIN = "application/vnd.kafka.v2+json"


class Report(Record, key="place", time="at"):
    """The weather at one moment."""

    place: str
    at: datetime
    temperature: float = field(unit="[degF]", ge=-100, le=200)
    status: Literal["sunny", "partly_cloudy", "cloudy", "windy", "precipitation"]


class Posted(Record):
    """The weather as it is posted: milliseconds in the key, the rest in the value."""

    timestamp: int
    temperature: float
    status: Literal["sunny", "partly_cloudy", "cloudy", "windy", "precipitation"]


class Proxied:
    """A push feed whose path is that of a topic of the REST Proxy."""

    kind: ClassVar[str] = "push"
    path = "/topics/org.chicago.cta.weather.v1"
    status = 200


def reported(rows: pl.LazyFrame) -> pl.LazyFrame:
    at = pl.from_epoch("timestamp", time_unit="ms").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    return rows.select(place=pl.lit("Chicago"), at=at, temperature="temperature", status="status")


def weather() -> Plan:
    topic = Topic("weather", Report, partitions=2)
    topic.feed("station", Proxied(), wire=Posted, parse=reported)
    return Plan.of([Domain("w", "Weather", [topic.table("newest")])])


def ask(site: Site, method: str, path: str, body: Any = None, *, kind: str = PLAIN, **headers: str) -> httpx2.Response:
    content = body if isinstance(body, bytes) else (None if body is None else json.dumps(body).encode())
    named = {} if content is None else {"content-type": kind}
    return site.client.request(method, path, content=content, headers={**named, **headers})


def made(site: Site, group: str, topics: list[str] | None = None, **config: Any) -> str:
    """The path of a new consumer, which subscribes to topics."""
    given = {"auto.offset.reset": "earliest", "format": "json", **config}
    answer = ask(site, "POST", f"/consumers/{group}", given)
    assert answer.status_code == 200, answer.text
    path = str(answer.json()["base_uri"]).removeprefix(site.base)
    if topics is not None:
        assert ask(site, "POST", f"{path}/subscription", {"topics": topics}).status_code == 204
    return path


def records(site: Site, path: str, kind: str = JSON, **params: Any) -> list[Any]:
    query = "&".join(f"{name}={value}" for name, value in {"timeout": 300, **params}.items())
    answer = ask(site, "GET", f"{path}/records?{query}", accept=kind)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == kind
    return list(answer.json())
