"""A whole server over real stores in memory: what the tests of the server ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from server_site import Site


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """One server for all tests of a file; they use names of their own."""
    with Site() as opened:
        yield opened


@pytest.fixture
def fresh() -> Iterator[Site]:
    """A server of a test's own, whose log is empty."""
    with Site() as opened:
        yield opened
