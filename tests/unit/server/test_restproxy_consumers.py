"""The REST Proxy as its consumers know it: their life, their offsets, and how a group shares partitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from proxy_calls import BINARY, JSON, ask, made, records, weather
from server_site import Site, wait_for
from wayside.errors import StorageFailedError
from wayside.server.limits import Limits


@pytest.fixture(scope="module")
def plain() -> Iterator[Site]:
    """A server that creates topics, of a plan with a feed for the proxy."""
    with Site(plan=weather(), create_topics=True) as opened:
        yield opened


# -- consumers ---------------------------------------------------------------------------------------------------------


def produce(site: Site, topic: str, *values: Any) -> None:
    body = {"records": [{"value": value, "partition": 0} for value in values]}
    assert ask(site, "POST", f"/topics/{topic}", body, kind=JSON).status_code == 200


def values(found: list[Any]) -> list[Any]:
    return [each["value"] for each in found]


def test_the_life_of_a_consumer(plain: Site) -> None:
    produce(plain, "life", 1, 2)
    config = {"name": "my_consumer", "format": "json", "auto.offset.reset": "earliest", "auto.commit.enable": "false"}
    answer = ask(plain, "POST", "/consumers/life", config)
    path = "/consumers/life/instances/my_consumer"
    assert answer.json() == {"instance_id": "my_consumer", "base_uri": plain.base + path}
    assert ask(plain, "POST", "/consumers/life", config).json()["error_code"] == 40902
    assert ask(plain, "GET", f"{path}/records", accept=JSON).json()["error_code"] == 40903
    assert ask(plain, "POST", f"{path}/subscription", {"topics": ["life"]}).status_code == 204
    assert ask(plain, "GET", f"{path}/subscription").json() == {"topics": ["life"]}
    assert ask(plain, "GET", f"{path}/assignments").json() == {"partitions": [{"topic": "life", "partition": 0}]}
    assert ask(plain, "GET", f"{path}/records", accept=BINARY).json()["error_code"] == 40601
    assert values(records(plain, path)) == [1, 2]
    assert records(plain, path, timeout=20) == []
    place = {"topic": "life", "partition": 0}
    assert ask(plain, "GET", f"{path}/offsets", {"partitions": [place]}).json() == {"offsets": []}
    assert ask(plain, "POST", f"{path}/offsets", {"offsets": [{**place, "offset": 0}]}).status_code == 204
    committed = ask(plain, "GET", f"{path}/offsets", {"partitions": [place]}).json()
    assert committed == {"offsets": [{**place, "offset": 1, "metadata": ""}]}
    for move, body, expected in (
        ("", {"offsets": [{**place, "offset": 1}]}, [2]),
        ("/beginning", {"partitions": [place]}, [1, 2]),
        ("/end", {"partitions": [place]}, []),
    ):
        assert ask(plain, "POST", f"{path}/positions{move}", body).status_code == 204
        assert values(records(plain, path, timeout=20)) == expected
    assert ask(plain, "DELETE", path).status_code == 204
    gone = ask(plain, "DELETE", path).json()
    assert gone["error_code"] == 40403
    assert gone["message"].startswith("Consumer instance not found. It lives in the server that made it")
    assert ask(plain, "GET", f"{path}/records").json()["error_code"] == 40403
    follower = made(plain, "life", ["life"])
    assert values(records(plain, follower)) == [2], "the group goes on where it had committed"


def test_a_consumer_that_commits_by_itself(plain: Site) -> None:
    produce(plain, "auto", 1)
    first = made(plain, "auto", ["auto"])
    assert values(records(plain, first)) == [1]
    assert ask(plain, "DELETE", first).status_code == 204
    produce(plain, "auto", 2)
    assert values(records(plain, made(plain, "auto", ["auto"]))) == [2]
    assert all(not group.startswith("auto") for group in plain.broker._groups), "a client's group is no group of ours"


def test_committing_all_that_was_returned(plain: Site) -> None:
    produce(plain, "all", 1, 2)
    path = made(plain, "all", ["all"], **{"auto.commit.enable": "false"})
    assert values(records(plain, path)) == [1, 2]
    assert ask(plain, "POST", f"{path}/offsets").status_code == 204
    assert ask(plain, "GET", f"{path}/offsets").json()["offsets"][0]["offset"] == 2
    beyond = {"offsets": [{"topic": "all", "partition": 0, "offset": 99}]}
    assert ask(plain, "POST", f"{path}/offsets", beyond).json()["error_code"] == 50002


def test_assignment_by_hand(plain: Site) -> None:
    produce(plain, "hand", 1)
    path = made(plain, "hand")
    place = {"topic": "hand", "partition": 0}
    for wrong, code in (({**place, "topic": "no"}, 40401), ({**place, "partition": 3}, 40402), ({"topic": 1}, 422)):
        assert ask(plain, "POST", f"{path}/assignments", {"partitions": [wrong]}).json()["error_code"] == code
    assert ask(plain, "POST", f"{path}/positions/end", {"partitions": [place]}).json()["error_code"] == 40903
    assert ask(plain, "POST", f"{path}/assignments", {"partitions": [place]}).status_code == 204
    assert values(records(plain, path)) == [1]
    assert ask(plain, "POST", f"{path}/subscription", {"topics": ["hand"]}).json()["error_code"] == 40903
    assert ask(plain, "DELETE", f"{path}/subscription").status_code == 204
    assert ask(plain, "POST", f"{path}/subscription", {"topics": ["hand"]}).status_code == 204
    assert ask(plain, "POST", f"{path}/assignments", {"partitions": [place]}).json()["error_code"] == 40903


def test_two_consumers_of_a_group_share_the_partitions(plain: Site) -> None:
    first, second = made(plain, "share", ["weather"]), made(plain, "share", ["weather"])
    found = [ask(plain, "GET", f"{path}/assignments").json()["partitions"] for path in (first, second)]
    assert [len(each) for each in found] == [1, 1]
    assert found[0] != found[1]
    ask(plain, "DELETE", second)
    assert len(ask(plain, "GET", f"{first}/assignments").json()["partitions"]) == 2


def test_a_pattern_of_topics(plain: Site) -> None:
    produce(plain, "pat-1", "a")
    produce(plain, "pat-2", "b")
    path = made(plain, "pattern")
    assert ask(plain, "POST", f"{path}/subscription", {"topic_pattern": "pat-[0-9]"}).status_code == 204
    assert sorted(values(records(plain, path) + records(plain, path, timeout=20))) == ["a", "b"]
    for pattern in ("(", 1, "x" * 300):
        assert ask(plain, "POST", f"{path}/subscription", {"topic_pattern": pattern}).status_code == 422
    both = {"topics": ["pat-1"], "topic_pattern": "p"}
    assert ask(plain, "POST", f"{path}/subscription", both).json()["error_code"] == 40903


def test_no_more_bytes_than_asked_for(plain: Site) -> None:
    produce(plain, "bytes-cap", *["x" * 100] * 10)
    path = made(plain, "cap", ["bytes-cap"])
    assert len(records(plain, path, max_bytes=1)) == 1
    assert len(records(plain, path, max_bytes=600)) == 3
    assert len(records(plain, path)) == 6
    assert ask(plain, "GET", f"{path}/records?timeout=-1").status_code == 422


def test_the_newest_only(plain: Site) -> None:
    produce(plain, "newest-only", 1)
    path = made(plain, "late", ["newest-only"], **{"auto.offset.reset": "latest"})
    assert records(plain, path, timeout=20) == []
    produce(plain, "newest-only", 2)
    assert values(records(plain, path, timeout=3000)) == [2]


@pytest.mark.parametrize(
    "config",
    [{"format": "xml"}, {"auto.offset.reset": "middle"}, {"auto.commit.enable": "maybe"}, {"plugin.library.paths": "x"},
     {"name": "a/b"}, {"name": "n" * 300}],
)  # fmt: skip
def test_a_consumer_that_cannot_be(plain: Site, config: dict[str, str]) -> None:
    assert ask(plain, "POST", "/consumers/g", config).json()["error_code"] == 42204


def test_consumers_are_few_and_end_when_nobody_asks_them() -> None:
    with Site(limits=Limits(consumers=2, consumer_seconds=0.5)) as site:
        first = made(site, "g", ["samples"])
        made(site, "g")
        answer = ask(site, "POST", "/consumers/g", {})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        wait_for(lambda: ask(site, "POST", "/consumers/g", {}).status_code == 200)
        assert ask(site, "GET", f"{first}/records").json()["error_code"] == 40403


def test_a_consumer_whose_offsets_cannot_be_kept_still_ends(plain: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    produce(plain, "lost", 1)
    path = made(plain, "lost", ["lost"])
    assert values(records(plain, path)) == [1]

    def fails(group: str, positions: Any) -> None:
        raise StorageFailedError("The disk failed.")

    with monkeypatch.context() as patched:
        patched.setattr(plain.broker, "commit", fails)
        assert ask(plain, "GET", f"{path}/records?timeout=10").status_code == 503
        assert ask(plain, "DELETE", path).status_code == 204
    assert values(records(plain, made(plain, "lost", ["lost"]))) == [1], "read again, not lost"
