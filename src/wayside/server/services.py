"""What the server is given: ports and declarations, wired together by the runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry

from wayside import metrics
from wayside.clock import SYSTEM, Clock
from wayside.domain import Plan
from wayside.domain.views import Generator
from wayside.ports import Broker, Engine, HotStore, Intake, Lake
from wayside.quarantine import QUARANTINE
from wayside.server.background import PLAIN, Background
from wayside.server.limits import Limits


@dataclass(frozen=True)
class Trouble:
    """Something that an operator should know now: since when, what, and what to do."""

    since: datetime
    what: str
    next: str = ""


def nothing_wrong() -> list[str]:
    """The default readiness: no reason against it."""
    return []


def no_trouble() -> list[Trouble]:
    """The default list of troubles."""
    return []


def data_folder_fine() -> str | None:
    """The default state of the data folder."""
    return None


@dataclass(frozen=True)
class Services:
    """Everything that the server speaks to.

    `intakes` holds each feed's intake under the feed's name, and for each topic its plain one under the topic's own
    name. `generators` holds the simulators by feed. `readiness` gives the reasons why the server should not be used
    yet. `pages` is the folder of the built page. `hosts` are names besides those of the loopback interface under which
    the server may be addressed. `registry_path` is the path below which the schema registry answers; with
    `create_topics`, the REST Proxy creates a topic of plain messages when one is produced to that does not exist.
    Who changes topics must show `admin_token`; without one nobody may. With `guarded`, who replays what was rejected
    must show it too: without it anybody may who reaches the server, as anybody may post records. `hot_keep` is how long
    `store` keeps windows; `background` is what lies below the maps.
    """

    plan: Plan
    broker: Broker
    store: HotStore
    engine: Engine
    intakes: Mapping[str, Intake]
    generators: Mapping[str, Generator] = field(default_factory=dict)
    lake: Lake | None = None
    clock: Clock = SYSTEM
    limits: Limits = field(default_factory=Limits)
    readiness: Callable[[], list[str]] = nothing_wrong
    troubles: Callable[[], list[Trouble]] = no_trouble
    data_problem: Callable[[], str | None] = data_folder_fine
    version: str = "0"
    pages: Path | None = None
    hosts: Sequence[str] = ()
    registry: CollectorRegistry = metrics.REGISTRY
    quarantine: str = QUARANTINE
    registry_path: str = "/registry"
    create_topics: bool = False
    admin_token: str = field(default="", repr=False)
    guarded: bool = False
    background: Background = PLAIN
    hot_keep: timedelta = timedelta(days=14)
