"""One Kafka node and one session of Spark for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import apicurio
from cluster import kafka as kafka_node
from cluster import spark as spark_jars
from cluster.process import ServerProcess


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kafka_node.KafkaNode]:
    """A node of Kafka."""
    if reason := kafka_node.missing():
        pytest.skip(reason)
    # Nobody cuts the power here, and syncing each message costs most of the time.
    quick = {"log.flush.interval.messages": "10000"}
    node = kafka_node.KafkaNode(tmp_path_factory.mktemp("kafka"), properties=quick).start()
    try:
        yield node
    finally:
        node.stop()


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A session with the jars of the Kafka connector, of Delta and of S3."""
    if reason := spark_jars.missing():
        pytest.skip(reason)
    from wayside.dataflow.spark import session

    jars = [*spark_jars.install(), *spark_jars.install_objects()]
    scratch = tmp_path_factory.mktemp("spark")
    made = session("local[2]", jars=jars, memory="1g", options=spark_jars.DELTA, scratch=scratch)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def apicurios(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str]]:
    """A schema registry that is not ours: its process and its address."""
    if reason := apicurio.missing():
        pytest.skip(f"servers: {reason}")
    process, address = apicurio.start(tmp_path_factory.mktemp("apicurio"))
    yield process, address
    process.stop()


@pytest.fixture
def foreign(apicurios: tuple[ServerProcess, str]) -> str:
    """The address of that registry."""
    return apicurios[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the test's own."""
    return tmp_path
