"""What is asked of tables, windows, topics and series, end to end over real stores."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from server_site import Site, sample
from wayside.clock import SYSTEM


def test_a_post_is_seen_in_table_window_topic_and_series(fresh: Site) -> None:
    start = SYSTEM.now() - timedelta(minutes=5)
    times = [(start + timedelta(seconds=second)).isoformat() for second in range(30)]
    answer = fresh.post([sample("alpha", float(i), at=at) for i, at in enumerate(times)])
    assert answer.status_code == 202
    body = answer.json()
    assert (body["accepted"], body["rejected"], body["duplicates"], body["errors"]) == (30, 0, 0, [])
    assert sum(part["count"] for part in body["offsets"]) == 30
    fresh.settle()

    table = fresh.client.get("/v1/tables/latest", params={"station": "alpha"}).json()
    assert [column["name"] for column in table["columns"]] == ["station", "sensor", "at", "value", "count", "note"]
    assert table["columns"][3] == {"name": "value", "type": "float", "unit": "Cel"}
    assert [row[3] for row in table["rows"]] == [29.0]

    window = fresh.client.get("/v1/windows/rollup", params={"station": "alpha"}).json()
    names = [column["name"] for column in window["columns"]]
    assert names == ["window_start", "window_end", "station", "sensor", "n", "mean", "low", "high", "open"]
    assert sum(row[4] for row in window["rows"]) == 30
    assert window["rows"] == sorted(window["rows"])
    assert window["rows"][-1][-1] is True

    summary = fresh.client.get("/v1/windows/rollup/summary", params={"station": "alpha", "by": "station"}).json()
    assert summary["rows"] == [["alpha", 30, 14.5, 0.0, 29.0]]

    series = fresh.client.get("/v1/series/temperatures", params={"station": "alpha", "sensor": "air"}).json()
    assert [row[1] for row in series["rows"]] == [float(i) for i in range(30)]
    assert series["columns"][1]["unit"] == "Cel"

    sparks = fresh.client.get("/v1/sparklines/temperatures", params={"station": "alpha"}).json()
    assert list(sparks["points"]) == ["alpha\x1fair"]
    assert all(isinstance(t, int) for t, _ in sparks["points"]["alpha\x1fair"])


def test_exports_hold_exactly_the_rows_shown(site: Site) -> None:
    now = SYSTEM.now().replace(microsecond=123456)
    notes = ["=1+1", "+a", "-b", "@c", "\td", 'plain, with "quotes"\nand lines', "", None, "<b>x</b>", "日本"]
    site.post([sample(f"export-{i}", i / 3, at=now.isoformat(), note=note) for i, note in enumerate(notes)])
    site.settle()
    where = {"station": [f"export-{i}" for i in range(len(notes))]}
    shown = site.client.get("/v1/tables/latest", params=where).json()
    assert len(shown["rows"]) == len(notes)

    parquet = site.client.get("/v1/tables/latest", params={**where, "format": "parquet"})
    assert parquet.headers["content-type"] == "application/vnd.apache.parquet"
    arrow = site.client.get(
        "/v1/tables/latest", params=where, headers={"accept": "application/vnd.apache.arrow.stream"}
    )
    for frame in (pl.read_parquet(io.BytesIO(parquet.content)), pl.read_ipc_stream(io.BytesIO(arrow.content))):
        assert frame.with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")).rows() == [
            tuple(row) for row in shown["rows"]
        ]

    csv = site.client.get("/v1/tables/latest", params={**where, "format": "csv"})
    assert csv.headers["content-type"].startswith("text/csv")
    assert 'filename="latest.csv"' in csv.headers["content-disposition"]
    read = pl.read_csv(io.BytesIO(csv.content), schema_overrides={"value": pl.Float64, "count": pl.Int64})
    for row, original in zip(read.rows(), shown["rows"], strict=True):
        note = original[5]
        guarded = "'" + note if note and note[0] in "=+-@\t\r" else note
        assert (*row[:5], row[5] or None) == (*original[:5], guarded or None)


def test_pages_of_a_table_meet_without_gap_or_overlap(site: Site) -> None:
    site.post([sample(f"page-{i:03}") for i in range(25)])
    site.settle()
    where = {"q": "PAGE-", "limit": 10}
    seen: list[str] = []
    after = None
    for _ in range(4):
        page = site.client.get("/v1/tables/latest", params={**where, **({"after": after} if after else {})}).json()
        seen += [row[0] for row in page["rows"]]
        after = page["next"]
        if after is None:
            break
    assert seen == [f"page-{i:03}" for i in range(25)]
    assert page["total"] >= 25


def test_records_by_offset_time_filter_and_text(site: Site) -> None:
    base = SYSTEM.now() - timedelta(hours=2)
    for i in range(4):
        moment = (base + timedelta(minutes=i)).isoformat()
        assert site.post([sample(f"log-{i}", i, at=moment, note="Findling")]).status_code == 202
    path = "/v1/topics/samples/records"
    last = site.client.get(path, params={"offset": -2}).json()
    assert [row[3] for row in last["rows"]] == ["log-2", "log-3"]
    assert last["next"] is None
    assert [column["name"] for column in last["columns"][:3]] == ["_partition", "_offset", "_appended"]
    assert last["end"] == last["rows"][-1][1] + 1
    found = site.client.get(path, params={"filter": ["station:LOG-", "value:1"]}).json()
    assert [row[3] for row in found["rows"]] == ["log-1"]
    found = site.client.get(path, params={"q": "findling", "limit": 3}).json()
    assert [row[3] for row in found["rows"]] == ["log-0", "log-1", "log-2"]
    on = site.client.get(path, params={"q": "findling", "offset": found["next"]}).json()
    assert [row[3] for row in on["rows"]] == ["log-3"]
    back = site.client.get(path, params={"q": "findling", "offset": -1}).json()
    assert [row[3] for row in back["rows"]] == ["log-3"]
    sought = site.client.get(path, params={"time": (base + timedelta(minutes=2)).isoformat(), "q": "findling"}).json()
    assert [row[3] for row in sought["rows"]][-2:] == ["log-2", "log-3"]


def test_a_window_over_a_range_counts_whole_windows_only(fresh: Site) -> None:
    start = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    fresh.post([sample("range", 1, at=(start + timedelta(seconds=s)).isoformat()) for s in range(40)])
    fresh.settle()
    params = {
        "station": "range",
        "from": (start + timedelta(seconds=5)).isoformat(),
        "to": (start + timedelta(seconds=30)).isoformat(),
    }
    rows = fresh.client.get("/v1/windows/rollup", params=params).json()["rows"]
    assert [row[0][17:19] for row in rows] == ["10", "20"]


def test_the_newest_windows_are_kept_when_there_are_too_many(fresh: Site) -> None:
    base = SYSTEM.now() - timedelta(minutes=10)
    fresh.post([sample("many", 1, at=(base + timedelta(seconds=10 * s)).isoformat()) for s in range(30)])
    fresh.settle()
    whole = fresh.client.get("/v1/windows/rollup", params={"station": "many"}).json()
    cut = fresh.client.get("/v1/windows/rollup", params={"station": "many", "limit": 7}).json()
    assert (whole["truncated"], cut["truncated"]) == (False, True)
    assert cut["rows"] == whole["rows"][-7:]


def test_a_series_is_thinned_evenly(site: Site) -> None:
    base = SYSTEM.now() - timedelta(minutes=30)
    site.post([sample("thin", s % 50, at=(base + timedelta(seconds=s)).isoformat()) for s in range(1000)])
    params = {"station": "thin", "sensor": "air", "limit": 101}
    thin = site.client.get("/v1/series/temperatures", params=params).json()
    assert thin["thinned"] is True
    assert len(thin["rows"]) == 101
    params["limit"] = 5000
    whole = site.client.get("/v1/series/temperatures", params=params).json()
    assert (len(whole["rows"]), whole["thinned"]) == (1000, False)
    assert thin["rows"][0] == whole["rows"][0]
    assert thin["rows"][-1] == whole["rows"][-1]


def test_a_layer_without_window_remembers_what_commits_brought(site: Site) -> None:
    site.post([sample("spark", 3.5)])
    site.settle()
    points = site.client.get("/v1/sparklines/warm", params={"station": "spark"}).json()["points"]
    assert [value for _, value in points["spark"]] == [3.5]


def test_a_domains_own_endpoint_asks_the_same_stores(site: Site) -> None:
    site.post([sample("own", 10), sample("own", 20)])
    site.settle()
    answer = site.post({"stations": ["own"]}, "/api/means")
    assert (answer.status_code, answer.json()) == (200, [{"station": "own", "mean": 15.0}])
    refused = site.post({"stations": "own"}, "/api/means")
    assert refused.status_code == 422
    assert refused.json()["where"] == "body"


def test_a_push_path_answers_with_nothing(site: Site) -> None:
    answer = site.post(sample("pushed"), "/api/sample")
    assert (answer.status_code, answer.content) == (200, b"")
    assert site.post({"station": "pushed"}, "/api/sample").status_code == 422
    assert site.post([sample("pushed")], "/api/sample").status_code == 422


def test_overview_answers(site: Site) -> None:
    status = site.client.get("/v1/status").json()
    assert status["version"] == "1.2.3"
    assert set(status["feeds"]) == {"live", "silent", "down"}
    plan = site.client.get("/v1/plan").json()
    assert {(edge["source"], edge["target"]) for edge in plan["edges"]} >= {("pushed", "samples"), ("samples", "warm")}
    kinds = {node["name"]: node["kind"] for node in plan["nodes"]}
    assert kinds == {
        "pushed": "feed",
        "samples": "topic",
        "warm": "stream",
        "rollup": "window",
        "latest": "table",
        "latest_warm": "table",
    }
    (domain,) = site.client.get("/v1/domains").json()
    assert domain["windows"][0]["outputs"][1] == {"name": "mean", "kind": "mean", "unit": "Cel"}
    assert [topic["name"] for topic in site.client.get("/v1/topics").json()] == ["samples", "_quarantine"]


def test_ready_only_without_reasons(site: Site) -> None:
    assert site.client.get("/readyz").json() == {"status": "ready"}
    site.reasons.append("The engine has not started.")
    try:
        answer = site.client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["why"] == "The engine has not started."
        assert answer.headers["retry-after"] == "1"
    finally:
        site.reasons.clear()
    assert site.client.get("/livez").status_code == 200
    assert "python_info" in site.client.get("/metrics").text


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/v1/tables/latest?limt=2", "Did you mean `limit`?"),
        ("/v1/tables/latest?limit=0", "at least 1"),
        ("/v1/tables/latest?limit=1_0", "a whole number"),
        ("/v1/tables/latest?limit=१२", "a whole number"),
        ("/v1/tables/latest?limit=+5", "a whole number"),
        ("/v1/tables/latest?limit=5&limit=6", "given twice"),
        ("/v1/tables/latest?value=nan", "a finite number"),
        ("/v1/tables/latest?format=xml", "Formats"),
        ("/v1/windows/rollup?limit=100001", "at most 100,000"),
        ("/v1/windows/rollup?from=yesterday", "ISO 8601"),
        ("/v1/windows/rollup?from=2026-01-01T00:00:00", "with an offset"),
        ("/v1/windows/rollup?from=2026-02-30T00:00:00Z", "a time that exists"),
        ("/v1/windows/rollup?from=1795000000000", "not milliseconds"),
        ("/v1/windows/rollup?from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "400 days"),
        ("/v1/windows/rollup/summary?by=value", "one of station, sensor"),
        ("/v1/topics/samples/records?filter=nothing", "field:value"),
        ("/v1/topics/samples/records?filter=value:abc", "a finite number"),
        ("/v1/topics/samples/records?offset=1&time=2026-01-01T00:00:00Z", "not both"),
        ("/v1/series/temperatures?station=a", "needed exactly once"),
        ("/v1/live?tables=latest&where=color:x", "fits nothing"),
        ("/v1/status?x=1", "takes none"),
    ],
)
def test_wrong_parameters_are_refused_with_the_reason(site: Site, path: str, parameter: str) -> None:
    answer = site.client.get(path)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert parameter in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/v1/tables/nope",
        "/v1/tables/latest?after=xx",
        "/v1/tables/latest?after=WyJhIl0",
        "/v1/windows/nope",
        "/v1/windows/nope/summary",
        "/v1/topics/nope/records",
        "/v1/topics/samples/records?partition=7",
        "/v1/series/nope",
        "/v1/sparklines/nope",
        "/v1/live?tables=nope",
        "/v1/nope",
        "/v1",
    ],
)
def test_unknown_things_are_not_found(site: Site, path: str) -> None:
    answer = site.client.get(path)
    assert answer.status_code == 404, answer.text
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "where", "why", "next", "instance"}
    assert body["instance"] == path.partition("?")[0]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/series/temperatures?station=a&sensor=air&from=2000-01-01T00:00:00Z",
        "/v1/series/temperatures?station=a&sensor=air&to=0001-01-01T00:00:00Z",
        "/v1/series/warm?station=a&from=9999-12-31T23:59:59Z",
        "/v1/windows/rollup?to=0001-01-01T00:00:00%2B14:00",
        "/v1/windows/rollup?from=9999-12-31T23:59:59-14:00",
        "/v1/windows/rollup?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
        "/v1/windows/rollup/summary?from=0001-01-01T00:00:00Z",
        "/v1/windows/rollup?from=2026-01-01T00:00:00+01:00",
        "/v1/windows/rollup?from=0.5&station=",
        "/v1/tables/latest?q=%25_%27%22%3B--",
        "/v1/tables/latest?station=%27%20OR%201=1--",
        "/v1/sparklines/warm?station=nobody",
        "/v1/sparklines/temperatures?seconds=3600",
        "/v1/topics/samples/records?offset=99999999",
        "/v1/topics/samples/records?offset=-99999999",
        "/v1/topics/samples/records?q=(?i)%5B",
        "/v1/topics/_quarantine/records?q=x",
    ],
)
def test_questions_at_the_edge_have_an_answer(site: Site, path: str) -> None:
    site.post([sample("edge")])
    assert site.client.get(path).status_code == 200


def test_empty_stores_answer_too(fresh: Site) -> None:
    for path in (
        "/v1/tables/latest",
        "/v1/windows/rollup",
        "/v1/windows/rollup/summary",
        "/v1/windows/rollup/summary?by=station",
        "/v1/windows/rollup/late",
        "/v1/series/temperatures?station=a&sensor=air",
        "/v1/sparklines/warm",
        "/v1/sparklines/temperatures",
        "/v1/topics/samples/records",
        "/v1/quarantine",
        "/v1/status",
        "/v1/plan",
    ):
        for form in ("json", "csv", "parquet", "arrow"):
            framed = not path.startswith(("/v1/spark", "/v1/qua", "/v1/sta", "/v1/plan"))
            query = f"{'&' if '?' in path else '?'}format={form}" if framed else ""
            answer = fresh.client.get(path + query)
            assert answer.status_code == 200, (path, answer.text)
