"""Messages of an MQTT broker, acknowledged to it only after they are durable here.

The client library acknowledges a message of QoS 2 (PUBREC) before it hands it over, and one of QoS 1 (PUBACK) right
after; both are held back here until the receipt is there. What the broker then sends again, because it did not hear
from us in time, comes under the same record id and is recognised.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import re
import ssl
import threading
from collections.abc import Callable
from typing import Any

import aiomqtt
import paho.mqtt.client as paho

from wayside.adapters.running import SourceStatus, State, Tally
from wayside.adapters.sources import Mqtt
from wayside.errors import ConfigError, OverloadedError
from wayside.ports import Intake

LARGEST = 1 << 20
"""Bytes of a message that are kept; a longer one is cut here, and refused as what it then is."""
WAITING = 50_000
"""Messages that may wait in memory; the broker sends those of QoS 1 and 2 again that do not fit."""
SHORTEST, LONGEST = 0.2, 30.0
"""Seconds between two attempts to reach the broker: doubled each time, with a random part."""
REFERENCE = re.compile(r"\$\{env:(\w+)\}")


class MqttRunner:
    """A subscription at work, in a thread with an event loop of its own."""

    def __init__(self, source: Mqtt, intake: Intake) -> None:
        self._source = source
        self._intake = intake
        self._tally = Tally()
        self._state: State = "stopped"
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._ready = threading.Event()
        self._jitter = random.Random()

    def start(self) -> None:
        """Begin to connect; does nothing while it runs. Raises ConfigError for a secret that is not there."""
        if self._thread is not None:
            return
        secret(self._source.password)
        self._state = "reconnecting"
        self._ready.clear()
        self._thread = threading.Thread(target=self._run, name=f"mqtt {self._intake.feed}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave the broker. What is not acknowledged by then stays with it."""
        if self._thread is None:
            return
        self._ready.wait()
        if self._loop is not None and self._main is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._main.cancel)
        self._thread.join()
        self._thread = None
        self._state = "stopped"

    def status(self) -> SourceStatus:
        """The counts so far; `reconnecting` while the broker cannot be reached."""
        return self._tally.status(self._state)

    def _run(self) -> None:
        async def main() -> None:
            self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
            self._ready.set()
            await self._forever()

        try:
            asyncio.run(main())
        except asyncio.CancelledError:
            pass
        except Exception as error:  # a thread has nobody to raise to: the status tells
            self._state = "failed"
            self._tally.failed(error)
        finally:
            self._ready.set()

    async def _forever(self) -> None:
        pause = SHORTEST
        while True:
            try:
                async with Session(self._source) as session:
                    await session.subscribe(session.filters)
                    self._state, pause = "running", SHORTEST
                    await self._listen(session)
            except (aiomqtt.MqttError, OSError) as error:
                self._tally.failed(error)
            self._state = "reconnecting"
            await asyncio.sleep(self._jitter.uniform(SHORTEST, pause))
            pause = min(2 * pause, LONGEST)

    async def _listen(self, session: Session) -> None:
        """Hand over what comes, in order, until the connection ends."""
        async with asyncio.TaskGroup() as waiting:
            settling: set[asyncio.Task[None]] = set()
            try:
                async for message in session.messages:
                    future = await self._submit(message)
                    task = waiting.create_task(self._settle(session, message, future))
                    settling.add(task)
                    task.add_done_callback(settling.discard)
            except aiomqtt.MqttError as error:
                self._tally.failed(error)
                for task in settling:  # nobody listens to their acknowledgements any more
                    task.cancel()

    async def _submit(self, message: aiomqtt.Message) -> asyncio.Future[Any]:
        """Hand a message over; while the log cannot keep up, wait, and so let the broker wait."""
        payload = bytes(message.payload)[:LARGEST]
        name = identity(message)
        while True:
            try:
                future = self._intake.submit([payload], ids=None if name is None else [name])
            except OverloadedError as error:
                await asyncio.sleep(error.retry_after / 20)
                continue
            self._tally.handed(1, future)
            return asyncio.wrap_future(future)

    async def _settle(self, session: Session, message: aiomqtt.Message, future: asyncio.Future[Any]) -> None:
        """Acknowledge when durable. A message that could not be written is handed over again, until it can be."""
        pause = SHORTEST
        while True:
            try:
                await asyncio.shield(future)  # a lost connection is no reason to take the message back
                break
            except Exception:  # told by the tally; the broker keeps the message meanwhile
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST)
                future = await self._submit(message)
        session.acknowledge(message)


class Session(aiomqtt.Client):
    """A connection that says nothing about a message until it is told to."""

    def __init__(self, source: Mqtt) -> None:
        super().__init__(
            source.host,
            source.port,
            identifier=source.client,
            clean_session=False,
            username=source.username,
            password=secret(source.password),
            keepalive=source.keepalive,
            tls_context=ssl.create_default_context() if source.tls else None,
            max_queued_incoming_messages=WAITING,
        )
        names = [source.topics] if isinstance(source.topics, str) else source.topics
        self.filters: list[tuple[str, int]] = [(name, source.qos) for name in names]
        inner: Any = self._client
        self._confirm: dict[int, Callable[[int], Any]] = {1: inner._send_puback, 2: inner._send_pubrec}
        inner._send_puback = lambda mid: paho.MQTT_ERR_SUCCESS
        inner._send_pubrec = self._taken

    def acknowledge(self, message: aiomqtt.Message) -> None:
        """Tell the broker that a message is ours now; QoS 0 wants no such word."""
        if message.qos:
            self._confirm[message.qos](message.mid)

    def _taken(self, mid: int) -> int:
        """A message of QoS 2 has come. The library has stored it by the time that the loop calls us again."""
        self._loop.call_soon(self._offer, mid)
        return paho.MQTT_ERR_SUCCESS

    def _offer(self, mid: int) -> None:
        inner: Any = self._client
        message = inner._in_messages.get(mid)
        if message is not None:
            super()._on_message(inner, None, message)

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        # The library hands a message of QoS 2 over when the broker releases it: we have had it since it came.
        if message.qos < 2:
            super()._on_message(client, userdata, message)


def identity(message: aiomqtt.Message) -> str | None:
    """A record id that is the same when the broker sends a message again; null for QoS 0, which comes once.

    That is its packet number with its content; a retained message gets a new number with every subscription.
    """
    if not message.qos and not message.retain:
        return None
    number = b"" if message.retain else str(message.mid).encode()
    parts = (number, message.topic.value.encode(), bytes(message.payload))
    digest = hashlib.blake2b(digest_size=15)
    for part in parts:
        digest.update(len(part).to_bytes(4) + part)
    return digest.hexdigest()


def secret(reference: str | None) -> str | None:
    """The secret that `${env:NAME}` refers to. Raises ConfigError for anything else, and for a name that is not set."""
    if reference is None:
        return None
    found = REFERENCE.fullmatch(reference)
    if found is None:
        raise ConfigError("A password is not written into a declaration.", next="Write ${env:NAME}, and set NAME.")
    value = os.environ.get(found[1])
    if value is None:
        raise ConfigError(f"The environment variable {found[1]} is not set.", why="It holds the password of a feed.")
    return value
