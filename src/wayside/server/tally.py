"""Rejected records by rule, exact for what the log keeps, without reading it again for each question."""

from __future__ import annotations

import threading
from collections import Counter, deque

from wayside.ports import Broker
from wayside.server.logs import LogReader


class Tally:
    """Counts batches of the quarantine once, and forgets those that retention has removed."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self._broker = broker
        self._topic = topic
        self._lock = threading.Lock()
        self._batches: deque[tuple[int, Counter[str]]] = deque()
        self._position = 0

    def count(self) -> dict[str, int]:
        """Number of kept records per rule, the most frequent first."""
        with self._lock:
            reader = LogReader(self._broker, self._topic, 0)
            position = max(self._position, reader.start)
            while position < reader.end:
                position, rows = reader.read(position, reader.end)
                if rows is not None and rows.height:
                    self._batches.append((position, Counter(rows["rule"].to_list())))
            self._position = position
            while self._batches and self._batches[0][0] <= reader.start:
                self._batches.popleft()
            total: Counter[str] = Counter()
            for _, counted in self._batches:
                total.update(counted)
        return dict(total.most_common())
