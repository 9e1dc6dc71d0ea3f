"""The log on Kafka: topics, keys and values that any other client of Kafka can read and write.

What Kafka decides otherwise than the embedded log is told in docs/decisions/0041-the-log-on-kafka.md.
"""

from importlib.util import find_spec

from wayside.errors import MissingExtraError

if find_spec("confluent_kafka") is None:
    raise MissingExtraError(
        "Kafka's client is not installed.",
        why="The log is to be on Kafka, and there is no package confluent_kafka.",
        next="Install the extra: pip install 'wayside[kafka]'.",
    )

from wayside.broker.kafka.broker import KafkaBroker  # only what is installed can be imported

__all__ = ["KafkaBroker"]
