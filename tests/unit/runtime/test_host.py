from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from unit.runtime.world import settings, world
from wayside.errors import ConfigError, StorageFailedError, WaysideError
from wayside.runtime.chosen import plan_of
from wayside.runtime.host import Host, limits_of, open_listener
from wayside.runtime.service import Service
from wayside.server.limits import Limits


def test_limits_are_set_by_name_and_checked(tmp_path: Path) -> None:
    assert limits_of(settings(tmp_path, limits={"rows": 7.0, "send_seconds": 1.5})).rows == 7
    with pytest.raises(ConfigError, match="no limit 'row'") as caught:
        limits_of(settings(tmp_path, limits={"row": 7}))
    assert caught.value.next == "Did you mean 'rows'?"
    for value in (0, -1, 1.5):
        with pytest.raises(ConfigError, match="cannot be"):
            limits_of(settings(tmp_path, limits={"rows": value}))


def test_the_next_free_port_is_found_only_where_it_is_asked_for() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(WaysideError, match=f"Port {port} is busy"):
            open_listener("127.0.0.1", port, Limits())
        with open_listener("127.0.0.1", port, Limits(), tries=20) as found:
            assert port < found.getsockname()[1] < port + 20


def test_a_failed_log_ends_the_process_with_an_error(tmp_path: Path) -> None:
    class Failing(Service):
        """Its log fails as soon as it is ready, as after a failed fsync."""

        ill = False

        def failure(self) -> BaseException | None:
            return StorageFailedError("Syncing failed.") if self.ill else super().failure()

    before = set(threading.enumerate())
    with (
        open_listener("127.0.0.1", 0, Limits()) as listener,
        Failing(plan_of([world()]), settings(tmp_path)) as service,
    ):
        host = Host(service, listener, Limits())
        with pytest.raises(StorageFailedError, match="Syncing failed"):
            host.run(lambda address: setattr(service, "ill", True))
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    assert not any(name.startswith("wayside-") for name in left)


def test_it_ends_by_itself_after_a_time(tmp_path: Path) -> None:
    with (
        open_listener("127.0.0.1", 0, Limits()) as listener,
        Service(plan_of([world()]), settings(tmp_path)) as service,
    ):
        addresses: list[str] = []
        assert Host(service, listener, Limits()).run(addresses.append, seconds=0.1) == 0
        assert len(addresses) == 1
        assert addresses[0].startswith("http://127.0.0.1:")
