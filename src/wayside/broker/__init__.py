"""The durable ordered log: in memory for tests, embedded as segment files, Kafka beside them.

The format on disk is described in `entry.py`, what a crash may leave behind in `recovery.py`.
"""

from wayside.broker.embedded import EmbeddedBroker
from wayside.broker.memory import MemoryBroker

__all__ = ["EmbeddedBroker", "MemoryBroker"]
