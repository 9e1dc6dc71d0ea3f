"""Our client of a registry, against a real one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.process import free_port
from server_site import Site
from wayside.clock import ManualClock
from wayside.errors import UnavailableError, WaysideError
from wayside.wire.registry import ABSENT_SECONDS, MOST_ABSENT, Absent, RegistryAwayError, RegistryClient, RegistryError

ONE = '{"type":"record","name":"A","fields":[{"name":"x","type":"int"}]}'
OTHER = ONE.replace('"int"', '"string"')


@pytest.fixture
def client() -> Iterator[RegistryClient]:
    with Site() as site, RegistryClient(site.base + "/registry/") as found:
        yield found


def test_there_and_back(client: RegistryClient) -> None:
    number = client.register("ab-value", ONE)
    assert client.register("ab-value", ONE) == number
    assert client.schema(number) == ONE


def test_refusals_carry_their_code(client: RegistryClient) -> None:
    client.register("s", ONE)
    with pytest.raises(RegistryError, match="/fields/0/type") as caught:
        client.register("s", OTHER)
    assert caught.value.code == 409
    with pytest.raises(RegistryError) as caught:
        client.schema(4711)
    assert caught.value.code == 40403


def test_a_registry_that_is_not_there() -> None:
    client = RegistryClient(f"http://127.0.0.1:{free_port()}", timeout=2)
    with client, pytest.raises(RegistryAwayError, match="no answer") as caught:
        client.schema(1)
    assert caught.value.next
    assert isinstance(caught.value, UnavailableError)


class Counting:
    """Notes the requests for a schema by its id."""

    def __init__(self, app: ASGIApp, seen: list[str]) -> None:
        self.app = app
        self.seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "/schemas/ids/" in scope.get("path", ""):
            self.seen.append(scope["path"])
        await self.app(scope, receive, send)


def test_an_unknown_id_is_asked_for_once_and_again_after_a_time() -> None:
    clock, made, seen = ManualClock(), Site(), list[str]()
    made.app.add_middleware(Counting, seen=seen)
    with made as site, RegistryClient(site.base + "/registry/", clock=clock) as client:
        following = client.register("s", ONE) + 1
        for _ in range(50):
            with pytest.raises(RegistryError, match="not found") as caught:
                client.schema(following)
            assert caught.value.code == 40403
        assert len(seen) == 1
        assert client.register("other", OTHER) == following, "the id that was not there"
        clock.advance(ABSENT_SECONDS + 0.1)
        assert client.schema(following) == OTHER
        assert client.schema(following) == OTHER
        assert len(seen) == 2


class Asked:
    """A registry that knows ids above a million."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    def __call__(self, schema_id: int) -> str:
        self.ids.append(schema_id)
        if schema_id > 1_000_000:
            return ONE
        raise WaysideError("Schema not found.")


def test_many_unknown_ids_are_not_asked_for_without_end() -> None:
    clock, asked = ManualClock(), Asked()
    absent = Absent(clock)
    for number in range(10_000):
        with pytest.raises(WaysideError, match=r"not found|too many unknown ids"):
            absent.ask(number, partial(asked, number))
    assert asked.ids == list(range(MOST_ABSENT))
    with pytest.raises(RegistryError, match="not asked for: too many unknown ids") as caught:
        absent.ask(1_000_001, lambda: asked(1_000_001))
    assert "replay" in caught.value.next
    clock.advance(ABSENT_SECONDS + 0.1)
    assert absent.ask(1_000_001, lambda: asked(1_000_001)) == ONE
    with pytest.raises(WaysideError):
        absent.ask(0, lambda: asked(0))
    assert len(asked.ids) == MOST_ABSENT + 2


def test_a_registry_that_is_away_has_said_nothing() -> None:
    absent, calls = Absent(ManualClock()), []

    def away() -> str:
        calls.append(1)
        raise RegistryAwayError("It is away.")

    for _ in range(3):
        with pytest.raises(RegistryAwayError):
            absent.ask(1, away)
    assert len(calls) == 3
