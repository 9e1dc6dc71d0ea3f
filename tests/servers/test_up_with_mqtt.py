"""A domain with an MQTT feed in a running Wayside: from mosquitto to the table, over a restart of either."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from e2e.running import Running, up, wait_for
from servers.test_mqtt import Mosquitto
from wayside.cli.app import run

pytestmark = pytest.mark.servers
FEED = """
heard = readings.feed("wells_mqtt", Mqtt("127.0.0.1", "wells/+/level", port={port}, client="wayside-wells"))
"""


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    (tmp_path / "mosquitto").mkdir()
    broker = Mosquitto(tmp_path / "mosquitto")
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def installed(tmp_path: Path, mosquitto: Mosquitto) -> dict[str, str]:
    """A domain `wells` whose readings also come over MQTT."""
    assert run(["new-domain", "wells", "--in", str(tmp_path)]) == 0
    feeds = tmp_path / "wells" / "wells" / "feeds.py"
    text = feeds.read_text().replace("import HttpPush, Simulator", "import HttpPush, Mqtt, Simulator")
    feeds.write_text(text + FEED.format(port=mosquitto.port))
    metadata = tmp_path / "wells" / "wayside_wells-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: wayside-wells\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text("[wayside.domains]\nwells = wells\n")
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(tmp_path / "wells"), os.environ.get("PYTHONPATH", ""))))}


def publish(port: int, *levels: float) -> None:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for second, level in enumerate(levels):
        message = {"station": f"s{second}", "at": f"2026-01-05T12:00:{second:02}Z", "level": level}
        client.publish(f"wells/s{second}/level", json.dumps(message), qos=1).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()


def levels(running: Running) -> list[float]:
    return [row["level"] for row in running.rows("/v1/tables/wells_latest")]


def test_messages_reach_the_table_and_wait_for_us_while_we_are_away(
    mosquitto: Mosquitto, installed: dict[str, str], tmp_path: Path
) -> None:
    with up(tmp_path, "--domains", "wells", env=installed) as running:
        wait_for(lambda: running.get("/v1/status")["problems"] == [])
        publish(mosquitto.port, 1.0, 2.0, 3000.0)
        wait_for(lambda: levels(running) == [1.0, 2.0])
        wait_for(lambda: running.get("/v1/status")["rejected_last_hour"] == 1)
        assert running.stop(signal.SIGTERM) == 0
    publish(mosquitto.port, 1.5, 2.5, 3.5)
    with up(tmp_path, "--domains", "wells", env=installed) as running:
        # Times and stations are the same, and of equal times the later record counts.
        wait_for(lambda: levels(running) == [1.5, 2.5, 3.5])
        mosquitto.kill()
        problem = wait_for(lambda: running.get("/v1/status")["problems"])[0]
        assert problem["what"].startswith("The feed wells_mqtt is reconnecting")
        mosquitto.start()
        wait_for(lambda: running.get("/v1/status")["problems"] == [])
        assert running.stop(signal.SIGTERM) == 0
