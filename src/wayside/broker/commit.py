"""Making one group of appends durable and answering its callers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import structlog

from wayside.broker.collect import microseconds
from wayside.broker.errors import FULL, no_topic, not_written
from wayside.broker.topic import Topic, Written
from wayside.broker.writer import Pending
from wayside.clock import Clock
from wayside.errors import WaysideError

_LOG = structlog.get_logger(__name__)


class GroupCommit:
    """Writes, syncs, publishes, answers; in that order.

    `published` is called after rows have become visible, `make_room` when the disk is full. Whatever this raises ends
    all writing.
    """

    def __init__(
        self,
        topics: Mapping[str, Topic],
        clock: Clock,
        *,
        published: Callable[[], None],
        make_room: Callable[[], None],
    ) -> None:
        self._topics = topics
        self._clock = clock
        self._published = published
        self._make_room = make_room
        self.disk_full = False

    def __call__(self, group: Sequence[Pending]) -> None:
        by_topic: dict[str, list[Pending]] = {}
        for pending in [one for one in group if one.topic not in self._topics]:  # deleted while these were waiting
            pending.future.set_exception(no_topic(pending.topic, self._topics))
        group = [one for one in group if one.topic in self._topics]
        for pending in group:
            by_topic.setdefault(pending.topic, []).append(pending)
        at = microseconds(self._clock.now())
        try:
            written = {name: self._topics[name].write(rows, at) for name, rows in by_topic.items()}
        except OSError as error:
            if error.errno not in FULL:
                raise
            self._undo(by_topic)
            self._refuse(group, error)
            return
        except Exception as error:  # some rows that cannot be encoded: they must not stop everybody else
            self._undo(by_topic)
            self._isolate(group, error)
            return
        self.disk_full = False
        logs = [log for name in by_topic for log in self._topics[name].logs if log.touched]
        for log in logs:
            log.sync()
        for log in logs:
            log.publish()
        self._published()
        for name, rows in by_topic.items():
            self._answer(self._topics[name], written[name], rows, at)

    def _answer(self, topic: Topic, written: Written, rows: Sequence[Pending], at: int) -> None:
        if written.ids is not None:
            topic.seen.remember(written.ids, at)
        for pending, answer in zip(rows, written.answers, strict=True):
            pending.future.set_result(answer)

    def _undo(self, by_topic: Mapping[str, object]) -> None:
        """Leave no trace of the group. Raises OSError."""
        for name in by_topic:
            for log in self._topics[name].logs:
                log.undo()

    def _isolate(self, group: Sequence[Pending], error: Exception) -> None:
        """Answer the one caller whose rows failed, or find out which one of several it is."""
        if len(group) > 1:
            for pending in group:
                self([pending])
            return
        _LOG.error("rows could not be stored", topic=group[0].topic, error=repr(error))
        group[0].future.set_exception(
            WaysideError(f"The rows could not be stored in topic {group[0].topic}.", why=repr(error))
        )

    def _refuse(self, group: Sequence[Pending], error: OSError) -> None:
        """The disk is full: say so, and remove what retention would remove anyway."""
        if not self.disk_full:
            _LOG.error("the disk is full, records are refused", error=str(error))
        self.disk_full = True
        for pending in group:
            pending.future.set_exception(not_written("the records were not accepted", error))
        try:
            self._make_room()
        except OSError as failed:
            _LOG.warning("no room could be made", error=str(failed))
