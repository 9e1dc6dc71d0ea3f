"""Windows over all time: declared, asked, and the same after any restart."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server_site import Sample, Site, sample
from wayside.dataflow import EmbeddedEngine
from wayside.domain import Domain, Layer, Plan, Topic, count, mean
from wayside.errors import DeclarationError


def plan(**more: Any) -> Plan:
    samples = Topic("samples", Sample)
    ever = samples.window("ever", every="all time", by=["station"], n=count(), mean=mean("value"))
    latest = samples.table("latest", search=["station"])
    return Plan.of([Domain("weather", "Weather", [ever, latest], **more)])


def test_everything_ever_is_counted_however_old_and_over_restarts() -> None:
    old = (datetime.now(UTC) - timedelta(days=3_000)).isoformat()
    with Site(plan=plan()) as site:
        site.post([sample(value=1), sample(value=2), sample("south", 5)])
        site.settle()
        site.post([sample(value=6, at=old)])
        site.settle()
        found = site.client.get("/v1/windows/ever").json()
        names = [column["name"] for column in found["columns"]]
        rows = [dict(zip(names, row, strict=True)) for row in found["rows"]]
        assert [(row["station"], row["n"], row["mean"], row["open"]) for row in rows] == [
            ("north", 3, 3.0, True),
            ("south", 1, 5.0, True),
        ]
        assert (rows[0]["window_start"][:10], rows[0]["window_end"][:10]) == ("1970-01-01", "9999-12-30")
        assert site.client.get("/v1/windows/ever/late").json()["rows"] == []
        whole = site.client.get("/v1/windows/ever/summary").json()["rows"]
        assert whole == [[4, 3.5]]
        site.engine.stop()
        again = EmbeddedEngine(site.plan, site.broker, site.store)
        again.recover()
        assert again.open_windows("ever")["rows"].to_list() == [3, 1]
        site.engine.start()


def test_a_range_is_refused_with_what_to_do() -> None:
    with Site(plan=plan()) as site:
        answer = site.client.get("/v1/windows/ever", params={"from": "2026-01-01T00:00:00Z"})
        assert answer.status_code == 422
        assert "counts over all time" in answer.text


def test_a_live_stream_begins_with_the_totals() -> None:
    with Site(plan=plan()) as site:
        site.post([sample()])
        site.settle()
        with site.client.stream("GET", "/v1/live", params={"windows": "ever"}) as stream:
            said = ""
            for text in stream.iter_text():
                said += text
                if "snapshot" in said and "\n\n" in said:
                    break
        assert "1970-01-01" in said


def test_a_live_stream_tells_totals_as_they_grow() -> None:
    with Site(plan=plan()) as site, site.client.stream("GET", "/v1/live", params={"windows": "ever"}) as stream:
        said = ""
        for text in stream.iter_text():
            said += text
            if "event: snapshot" in said and said.count("\n\n") == 1:
                site.post([sample(value=1), sample(value=2)])
            if "event: commit" in said and said.endswith("\n\n"):
                break
    commit = next(part for part in said.split("\n\n") if "event: commit" in part)
    told = json.loads(commit.partition("data: ")[2])["windows"]["ever"]
    names = [column["name"] for column in told["columns"]]
    assert [dict(zip(names, row, strict=True))["n"] for row in told["rows"]] == [2]


def test_what_makes_no_sense_is_refused_when_it_is_declared() -> None:
    samples = Topic("samples", Sample)
    with pytest.raises(DeclarationError, match="no `size`"):
        samples.window("ever", every="all time", size="1h", by=["station"], n=count())
    with pytest.raises(DeclarationError, match="no `size`"):
        samples.window("ever", gap="all time", by=["station"], n=count())
    layer = Layer("drawn", "Drawn", "latest", "station", "value", "at", series="sensor", window="ever")
    with pytest.raises(DeclarationError, match="one sum over all time"):
        plan(layers=[layer])
