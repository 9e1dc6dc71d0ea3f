"""The plan on Spark Structured Streaming."""

from wayside.dataflow.spark.engine import SparkEngine
from wayside.dataflow.spark.session import session
from wayside.dataflow.spark.source import KafkaSource

__all__ = ["KafkaSource", "SparkEngine", "session"]
