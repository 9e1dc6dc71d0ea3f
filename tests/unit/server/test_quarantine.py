"""Rejected records: listed with their reason, counted by rule, and run again once each."""

from __future__ import annotations

from datetime import datetime

import orjson
import polars as pl

from server_site import TOKEN, Plain, Site, sample
from wayside.adapters.intake import FeedIntake
from wayside.domain import Feed
from wayside.record import Record, field
from wayside.server.replays import Replayer
from wayside.server.tally import Tally


class Kelvin(Record, key=("station", "sensor"), time="at"):
    """The same sample as it really comes."""

    station: str
    sensor: str
    at: datetime
    value: float = field(unit="K")
    count: int | None
    note: str | None


def reject(site: Site, count: int, value: float = 300.0) -> None:
    """Records out of range."""
    answer = site.post([sample(f"hot-{number}", value) for number in range(count)])
    assert answer.status_code == 422
    assert answer.json()["rejected"] == count


def listed(site: Site, **params: object) -> dict[str, object]:
    answer = site.client.get("/v1/quarantine", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def replay(site: Site, **wish: object) -> dict[str, int]:
    answer = site.post(wish, "/v1/quarantine/replay")
    assert answer.status_code == 200, answer.text
    found: dict[str, int] = answer.json()
    return found


def to_celsius(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(pl.col("value") - 273.15)


def mend(site: Site) -> None:
    """The feed now understands what it refused before."""
    site.intakes["samples"].close()
    feed = Feed("samples", "samples", site.plan.topics["samples"].record, Plain(), Kelvin, to_celsius)
    site.intakes["samples"] = FeedIntake(feed, site.broker)


def test_listed_newest_first_page_by_page_with_filters(fresh: Site) -> None:
    reject(fresh, 7)
    fresh.post({"station": "x"})
    fresh.post({"station": "y"}, "/api/sample")
    whole = listed(fresh)
    assert whole["total"] == 9
    assert whole["by_rule"] == {"value.range": 7, "sensor.required": 2}
    assert [row["feed"] for row in whole["rows"]][:2] == ["pushed", "samples"]
    first = whole["rows"][-1]
    assert (first["topic"], first["rule"]) == ("samples", "value.range")
    assert first["message"] == "`value` must be at least -90 Cel and at most 90 Cel."
    assert orjson.loads(first["raw"])["station"] == "hot-0"
    assert (first["raw_truncated"], first["replayed_at"]) == (False, None)

    pages, before = [], {}
    while True:
        page = listed(fresh, limit=4, **before)
        pages += [row["id"] for row in page["rows"]]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert pages == [row["id"] for row in whole["rows"]]
    assert [row["rule"] for row in listed(fresh, rule="sensor.required")["rows"]] == ["sensor.required"] * 2
    assert len(listed(fresh, rule="sensor.required", feed="pushed")["rows"]) == 1
    assert listed(fresh, rule="none")["rows"] == []


def test_a_record_is_replayed_once(fresh: Site) -> None:
    reject(fresh, 3)
    ids = [row["id"] for row in listed(fresh)["rows"]]
    mend(fresh)
    assert replay(fresh, ids=[ids[0], ids[0]]) == {
        "replayed": 1,
        "accepted": 1,
        "rejected": 0,
        "duplicates": 0,
        "remaining": 0,
    }
    assert replay(fresh, ids=[ids[0]])["duplicates"] == 1
    assert fresh.total() == 1
    assert [row["replayed_at"] is not None for row in listed(fresh)["rows"]] == [True, False, False]
    assert replay(fresh, rule="value.range")["accepted"] == 2
    assert replay(fresh, rule="value.range") == dict.fromkeys(
        ["replayed", "accepted", "rejected", "duplicates", "remaining"], 0
    )
    assert fresh.total() == 3
    fresh.settle()
    assert len(fresh.client.get("/v1/tables/latest?q=hot-").json()["rows"]) == 3


def test_what_was_replayed_is_known_after_a_restart(fresh: Site) -> None:
    reject(fresh, 2)
    ids = [row["id"] for row in listed(fresh)["rows"]]
    mend(fresh)
    replay(fresh, ids=ids)
    again = Replayer(fresh.services)
    assert set(again.moments()) == set(ids)
    assert again.by_id(ids) == {"replayed": 0, "accepted": 0, "rejected": 0, "duplicates": 2, "remaining": 0}
    # The note that it was replayed got lost: the record's id still keeps it from counting twice.
    again._moments = {}
    assert again.by_id(ids)["duplicates"] == 2
    assert fresh.total() == 2


def test_what_is_still_wrong_is_rejected_again(fresh: Site) -> None:
    reject(fresh, 2)
    assert replay(fresh, rule="value.range") == {
        "replayed": 2,
        "accepted": 0,
        "rejected": 2,
        "duplicates": 0,
        "remaining": 0,
    }
    assert listed(fresh)["total"] == 4
    assert fresh.client.get("/v1/status").json()["rejected_last_hour"] == 4


def test_wrong_wishes(fresh: Site) -> None:
    reject(fresh, 1)
    path = "/v1/quarantine/replay"
    for body, status in (
        ({"ids": ["99"]}, 404),
        ({"ids": ["-1"]}, 404),
        ({"ids": ["१"]}, 404),
        ({"ids": []}, 422),
        ({"ids": ["0"] * 1001}, 422),
        ({"ids": ["0"], "rule": "x"}, 422),
        ({}, 422),
        ({"rul": "x"}, 422),
        ({"ids": "0"}, 422),
        ([], 422),
        (b"{", 400),
        (b'{"rule":' + b"[" * 100_000, 422),
        (b'{"rule":"\xff"}', 400),
    ):
        answer = fresh.post(body, path)
        assert answer.status_code == status, (body, answer.text)
    assert fresh.post({"rule": "x"}, path + "?force=1").status_code == 422
    assert fresh.client.post(path, content=b"{}").status_code == 415
    assert fresh.client.post(path, json={"rule": "x"}, headers={"origin": "http://evil"}).status_code == 403


def test_with_a_token_of_ones_own_only_the_administrator_replays() -> None:
    with Site(guarded=True) as site:
        reject(site, 1)
        mend(site)
        path = "/v1/quarantine/replay"
        for headers in ({}, {"authorization": "Bearer wrong"}):
            answer = site.client.post(path, json={"ids": ["0"]}, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert listed(site)["rows"][0]["replayed_at"] is None  # type: ignore[index]  # a list of rows
        answer = site.client.post(path, json={"ids": ["0"]}, headers={"authorization": f"Bearer {TOKEN}"})
        assert answer.json()["accepted"] == 1


def test_what_a_step_refused_cannot_be_replayed(fresh: Site) -> None:
    reject(fresh, 1)
    fresh.intakes.pop("samples").close()
    answer = fresh.post({"ids": ["0"]}, "/v1/quarantine/replay")
    assert answer.status_code == 409
    assert "recompute" in answer.json()["next"]
    assert listed(fresh)["rows"][0]["replayed_at"] is None


def test_the_tally_reads_each_batch_once_and_forgets_what_is_gone(fresh: Site) -> None:
    tally = Tally(fresh.broker, "_quarantine")
    assert tally.count() == {}
    reject(fresh, 3)
    assert tally.count() == {"value.range": 3}
    reject(fresh, 2)
    assert tally.count() == {"value.range": 5}
    tally._batches.appendleft((0, tally._batches[0][1]))
    assert tally.count() == {"value.range": 5}
