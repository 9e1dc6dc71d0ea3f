"""Our client of a registry, against a real one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cluster.process import free_port
from server_site import Site
from wayside.errors import UnavailableError
from wayside.wire.registry import RegistryAwayError, RegistryClient, RegistryError

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
