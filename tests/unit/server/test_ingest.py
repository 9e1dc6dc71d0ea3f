"""Records through the door: the forms they may have, what the answer says, and what if they cannot be kept."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pytest

from server_site import RECORDS, Plain, Site, sample
from wayside.adapters.intake import FeedIntake
from wayside.broker import MemoryBroker
from wayside.domain import Feed
from wayside.errors import DiskFullError, StorageFailedError
from wayside.server.landing import Landing
from wayside.server.limits import Limits
from wayside.server.receipts import errors_of, ranges
from wayside.values import Appended, Receipt, Rejection

NDJSON = {"content-type": "application/x-ndjson"}


def lines(records: list[Any]) -> bytes:
    return b"\n".join(orjson.dumps(record) for record in records)


def zstd(body: bytes) -> bytes:
    return bytes(pa.compress(body, codec="zstd", asbytes=True))


RECORDS_3 = [sample(f"form-{number}", number) for number in range(3)]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (orjson.dumps(RECORDS_3), {"content-type": "application/json"}),
        (orjson.dumps(RECORDS_3, option=orjson.OPT_INDENT_2), {"content-type": "application/json; charset=utf-8"}),
        (b"\n\t " + orjson.dumps(RECORDS_3) + b"\r\n", {"content-type": 'application/json;charset="UTF-8"'}),
        (lines(RECORDS_3), NDJSON),
        (lines(RECORDS_3) + b"\n", NDJSON),
        (b"\n\n" + lines(RECORDS_3).replace(b"\n", b"\r\n\r\n") + b"\n\n", NDJSON),
        (lines(RECORDS_3), {"content-type": "application/jsonl"}),
        (gzip.compress(lines(RECORDS_3)), {**NDJSON, "content-encoding": "gzip"}),
        (
            gzip.compress(lines(RECORDS_3[:1]) + b"\n") + gzip.compress(lines(RECORDS_3[1:])),
            {**NDJSON, "content-encoding": "gzip"},
        ),
        (zstd(lines(RECORDS_3)), {**NDJSON, "content-encoding": "zstd"}),
        (zstd(lines(RECORDS_3[:2]) + b"\n") + zstd(lines(RECORDS_3[2:])), {**NDJSON, "content-encoding": "ZSTD"}),
        (zstd(orjson.dumps(RECORDS_3)), {"content-type": "Application/JSON", "content-encoding": "zstd"}),
        (lines(RECORDS_3), {**NDJSON, "content-encoding": "identity"}),
    ],
    ids=range(13),
)
def test_three_records_in_each_form(site: Site, body: bytes, headers: dict[str, str]) -> None:
    answer = site.client.post(RECORDS, content=body, headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert (told["accepted"], told["rejected"], told["errors"]) == (3, 0, [])
    (span,) = told["offsets"]
    kept = site.client.get(RECORDS, params={"offset": span["first"], "limit": 3}).json()["rows"]
    assert [row[3] for row in kept] == ["form-0", "form-1", "form-2"]


def test_large_bodies_in_many_pieces(site: Site) -> None:
    records = [sample(f"large-{number}", note=os.urandom(350).hex()) for number in range(5000)]
    body = lines(records)

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 50_000):
            yield body[start : start + 50_000]

    answer = site.client.post(RECORDS, content=pieces(), headers=NDJSON)
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 5000
    assert site.app.state.context.budget.held == 0
    packed = site.client.post(RECORDS, content=zstd(body), headers={**NDJSON, "content-encoding": "zstd"})
    assert packed.json()["accepted"] == 5000


def test_good_records_are_taken_and_each_bad_one_is_explained(site: Site) -> None:
    mixed: list[Any] = [sample("m-0"), sample("m-1", 1000), {"station": 5}, sample("m-3"), 7, sample("m-5")]
    answer = site.post(mixed)
    assert answer.status_code == 202
    told = answer.json()
    assert (told["accepted"], told["rejected"]) == (3, 3)
    assert [(error["row"], error["rule"]) for error in told["errors"]] == [
        (1, "value.range"),
        (2, "station.type"),
        (4, "json.object"),
    ]
    assert all(error["message"] for error in told["errors"])


def test_at_most_a_hundred_errors_are_listed(site: Site) -> None:
    answer = site.post([sample("bad", 1000)] * 150 + [sample("good")])
    told = answer.json()
    assert (told["accepted"], told["rejected"], len(told["errors"])) == (1, 150, 100)
    refused = site.post([sample("bad", 1000)] * 150)
    assert refused.status_code == 422
    assert (refused.json()["rejected"], len(refused.json()["errors"])) == (150, 100)


def test_the_same_key_again_adds_nothing(site: Site) -> None:
    before = site.total()
    records = [sample("same", number) for number in range(4)]
    first = site.post(records, idempotency_key="order 66")
    again = site.post(records, idempotency_key="order 66")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["accepted"] == 4
    assert again.json() == {"accepted": 0, "rejected": 0, "duplicates": 4, "offsets": [], "errors": []}
    assert site.post(records, idempotency_key="order 67").json()["accepted"] == 4
    assert site.post(sample("same"), idempotency_key="one").json()["accepted"] == 1
    assert site.post(sample("same"), idempotency_key="one").json()["duplicates"] == 1
    assert site.total() == before + 9


def test_the_feed_is_chosen_by_name(site: Site) -> None:
    assert site.post(sample("fed"), RECORDS + "?feed=pushed").status_code == 202
    assert site.post(sample("fed"), RECORDS + "?feed=samples").status_code == 202
    site.post({"station": "fed"}, RECORDS + "?feed=pushed")
    newest = site.client.get("/v1/quarantine?limit=1").json()["rows"][0]
    assert newest["feed"] == "pushed"


def test_a_thousand_at_once_are_all_answered(site: Site) -> None:
    before = site.total()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: site.post(sample(f"many-{number}")), range(400)))
    assert {answer.status_code for answer in answers} == {202}
    places = [answer.json()["offsets"][0]["first"] for answer in answers]
    assert len(set(places)) == 400
    assert site.total() == before + 400


class Failing(MemoryBroker):
    """A log whose disk fails in a chosen way."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def append(self, *args: Any, **named: Any) -> Future[Appended]:
        failed: Future[Appended] = Future()
        failed.set_exception(self.error)
        return failed


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DiskFullError("The disk is full.", next="Free some space."), 507),
        (StorageFailedError("The log could not be synced.", next="Restart."), 503),
        (RuntimeError("the secret is 4711"), 500),
    ],
)
def test_a_log_that_fails_is_never_acknowledged(fresh: Site, error: Exception, status: int) -> None:
    topic = fresh.plan.topics["samples"]
    fresh.intakes["samples"].close()
    fresh.intakes["samples"] = FeedIntake(
        Feed("samples", "samples", topic.record, Plain(), topic.record), Failing(error)
    )
    answer = fresh.post(sample())
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "4711" not in answer.text
    assert ("retry-after" in answer.headers) == (status != 500)
    assert fresh.client.get("/v1/tables/latest").status_code == 200


def test_more_than_can_be_written_is_refused_with_a_time_to_come_back(fresh: Site) -> None:
    topic = fresh.plan.topics["samples"]
    fresh.intakes["samples"].close()
    feed = Feed("samples", "samples", topic.record, Plain(), topic.record)
    fresh.intakes["samples"] = FeedIntake(feed, fresh.broker, capacity=2_000)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: fresh.post([sample(f"o-{n}-{i}") for i in range(10)]), range(100)))
    refused = [answer for answer in answers if answer.status_code != 202]
    assert refused, "nothing was refused"
    assert {answer.status_code for answer in refused} == {503}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert fresh.total() == 10 * (100 - len(refused))


def test_all_bodies_together_have_a_budget() -> None:
    with Site(limits=replace(Limits(), pending_bytes=100_000)) as site:
        body = lines([sample(f"b-{number}", note="x" * 500) for number in range(400)])
        answer = site.client.post(RECORDS, content=body, headers=NDJSON)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert site.app.state.context.budget.held == 0
        assert site.post(sample()).status_code == 202


def test_a_client_that_leaves_in_the_middle_leaves_nothing(site: Site) -> None:
    before = site.total()
    head = (
        f"POST {RECORDS} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        connection.sendall(head.encode() + orjson.dumps(sample("left")))
    assert site.post(sample("stays")).status_code == 202
    assert site.total() == before + 1


def test_runs_of_offsets() -> None:
    def place(partitions: list[int], offsets: list[int], duplicates: int = 0) -> list[dict[str, int]]:
        where = Appended(pl.Series(partitions, dtype=pl.Int32), pl.Series(offsets, dtype=pl.Int64), duplicates)
        return ranges(where)

    assert place([], []) == []
    assert place([3], [7]) == [{"partition": 3, "first": 7, "count": 1}]
    assert place([3], [-1], 1) == []
    known = Appended(pl.Series([3, 3]), pl.Series([7, 8]), run=(3, 7))
    assert ranges(known) == [{"partition": 3, "first": 7, "count": 2}]
    assert place([0, 1, 0, 1], [4, 9, 5, 10]) == [
        {"partition": 0, "first": 4, "count": 2},
        {"partition": 1, "first": 9, "count": 2},
    ]
    assert place([0, 0, 0, 0], [1, 2, -1, 7], 1) == [
        {"partition": 0, "first": 1, "count": 2},
        {"partition": 0, "first": 7, "count": 1},
    ]
    receipt = Receipt(Appended(pl.Series([]), pl.Series([])), (Rejection(3, "a.b", "No."),), 1)
    assert errors_of(receipt) == [{"row": 3, "rule": "a.b", "message": "No."}]


async def test_results_of_other_threads_come_home() -> None:
    landing = Landing()
    futures: list[Future[Any]] = [Future() for _ in range(1000)]
    homes = [landing.wait(future) for future in futures]
    homes[5].cancel()
    with ThreadPoolExecutor(4) as pool:
        for number, future in enumerate(futures):
            if number == 7:
                pool.submit(future.set_exception, ValueError("seven"))
            else:
                pool.submit(future.set_result, number)
        found = await asyncio.gather(*homes, return_exceptions=True)
    assert isinstance(found[5], asyncio.CancelledError)
    assert isinstance(found[7], ValueError)
    assert [value for number, value in enumerate(found) if number not in (5, 7)] == [
        number for number in range(1000) if number not in (5, 7)
    ]
    done: Future[Any] = Future()
    done.set_result("at once")
    assert await landing.wait(done) == "at once"


def test_results_after_the_loops_end_are_let_go() -> None:
    landing, future = Landing(), Future[Any]()

    async def leave() -> None:
        landing.wait(future)

    asyncio.run(leave())
    future.set_result(1)

    async def come_again() -> Any:
        later: Future[Any] = Future()
        home = landing.wait(later)
        asyncio.get_running_loop().run_in_executor(None, later.set_result, 2)
        return await asyncio.wait_for(home, 5)

    assert asyncio.run(come_again()) == 2


@pytest.mark.parametrize("spaced", [0, orjson.OPT_INDENT_2], ids=["as lines of a block", "one by one"])
def test_long_arrays_are_taken_record_by_record(site: Site, spaced: int) -> None:
    texts = ["},{", '"},{"', "\\", "a,b", "[{", "é"]
    records: list[Any] = [sample(f"long-{spaced}-{number}-{texts[number % 6]}", number % 50) for number in range(1200)]
    records[7] = {"nothing": "of use"}
    records[1100] = [records[0]]
    records[1199] = 3
    body = orjson.dumps(records, option=spaced)
    told = site.client.post(RECORDS, content=body, headers={"content-type": "application/json"}).json()
    assert (told["accepted"] + told["rejected"], told["duplicates"]) == (1200, 0)
    errors = {error["row"]: error["rule"] for error in told["errors"]}
    assert errors.items() >= {7: "station.required", 1100: "json.object", 1199: "json.object"}.items()
    (span,) = told["offsets"]
    assert span["count"] == told["accepted"]
    kept = site.client.get(RECORDS, params={"offset": span["first"], "limit": 20}).json()["rows"]
    good = [record["station"] for number, record in enumerate(records) if number not in errors][:20]
    assert [row[3] for row in kept] == good
