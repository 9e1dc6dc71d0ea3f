"""Which runner a declared source needs."""

from __future__ import annotations

from pathlib import Path

from wayside.adapters.holding import Holding
from wayside.adapters.running import Runner
from wayside.adapters.sources import EventStream, Files, Mqtt, Polling, Simulator, SqlTable
from wayside.clock import SYSTEM, Clock
from wayside.domain import Feed
from wayside.ports import Broker, Intake


def runner_of(
    feed: Feed, intake: Intake, *, clock: Clock = SYSTEM, broker: Broker | None = None, kept: Path | None = None
) -> Runner | None:
    """What reads this feed's source, or null for one that others push to (or files that nobody has named).

    With `broker`, sources of things that come and go remember beyond a restart what they held. `kept` is the file in
    which a source may keep how far it has come.
    """
    lasting = broker is not None and isinstance(feed.source, Polling | EventStream) and feed.source.identity
    holding = Holding(broker, feed.name, clock) if broker is not None and lasting else None
    match feed.source:
        case Simulator():
            from wayside.adapters.simulate import SimulatorRunner

            return SimulatorRunner(feed.source, intake, clock=clock)
        case Files(paths=paths) if paths:
            from wayside.adapters.replay import FileReplay

            return FileReplay(feed, [Path(path) for path in paths], intake, speed=feed.source.speed, clock=clock)
        case Mqtt():
            from wayside.adapters.mqtt import MqttRunner

            return MqttRunner(feed.source, intake)
        case Polling():
            from wayside.adapters.polling import PollingRunner

            return PollingRunner(feed.source, intake, feed.wire.time or "", clock=clock, holding=holding)
        case EventStream():
            from wayside.adapters.events import EventsRunner

            return EventsRunner(feed.source, intake, feed.wire.time or "", clock=clock, holding=holding)
        case SqlTable():
            from wayside.adapters.sql_table import SqlTableRunner

            return SqlTableRunner(feed.source, feed.wire, intake, kept, clock=clock)
    return None
