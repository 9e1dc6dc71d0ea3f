"""Producing: a request's records become messages of a topic; each has its own place or its own error in the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl

from wayside.errors import OverloadedError, WaysideError
from wayside.server.compat import RefusalError
from wayside.server.landing import Landing
from wayside.server.operations import Context
from wayside.server.registry.store import SchemaStore
from wayside.server.restproxy import refusals
from wayside.server.restproxy.formats import Format, uncoded
from wayside.server.restproxy.schemas import Known, given_schema
from wayside.server.restproxy.targets import PLAIN, Target
from wayside.values import Appended, Receipt, Rejection
from wayside.wire import avro
from wayside.wire.avrojson import friendly

Outcome = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """One record of a request, ready for its topic: bytes for a plain one, a line of JSON for a declared one."""

    key: bytes | None
    value: bytes | None
    partition: int | None


@dataclass(frozen=True)
class Produced:
    """The records of a request, and the schemas that it named."""

    messages: list[Message]
    key_schema: Known | None = None
    value_schema: Known | None = None


def prepare(
    body: dict[str, Any], target: Target, format: Format, store: SchemaStore, partition: int | None
) -> Produced:
    """Read a request. Raises RefusalError for what is wrong with all of it."""
    records = body.get("records")
    if not isinstance(records, list) or not records or not all(isinstance(each, dict) for each in records):
        raise refusals.invalid("The member `records` is a list of objects, and not empty.")
    wanted = [partition if partition is not None else each.get("partition") for each in records]
    for number in wanted:
        check_partition(target, number)
    if format != "avro":
        return Produced([Message(*plain(each, target, format), at) for each, at in zip(records, wanted, strict=True)])
    key = given_schema(store, body, "key", target.name)
    value = given_schema(store, body, "value", target.name)
    if key is None and any(each.get("key") is not None for each in records):
        raise refusals.no_key_schema()
    if value is None and any(each.get("value") is not None for each in records):
        raise refusals.no_value_schema()
    messages = [Message(*typed(each, target, key, value), at) for each, at in zip(records, wanted, strict=True)]
    return Produced(messages, key, value)


def check_partition(target: Target, number: Any) -> None:
    """Raise RefusalError 40402 for a partition that is not there, 422 for one that the client may not choose."""
    if number is None:
        return
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < target.spec.partitions:
        raise refusals.no_partition()
    if target.intake is not None and target.spec.partitions > 1:
        raise refusals.invalid("The key of a record chooses its partition in a topic that a domain declares.")


def plain(record: dict[str, Any], target: Target, format: Format) -> tuple[bytes | None, bytes | None]:
    """Key and value of a record in JSON or binary."""
    key, value = record.get("key"), record.get("value")
    if format == "binary":
        key_bytes, value_bytes = uncoded(key, "key"), uncoded(value, "value")
        return (key_bytes, value_bytes) if target.intake is None else (None, value_bytes or b"null")
    if target.intake is None:
        return tuple(None if each is None else orjson.dumps(each) for each in (key, value))  # type: ignore[return-value] # there are two
    return None, line(target, key, value)


def typed(
    record: dict[str, Any], target: Target, key_schema: Known | None, value_schema: Known | None
) -> tuple[bytes | None, bytes | None]:
    """Key and value of a record in Avro. Raises RefusalError 42203."""
    found: list[Any] = []
    for known, given in ((key_schema, record.get("key")), (value_schema, record.get("value"))):
        if known is None:
            found.append(None)
            continue
        value = known.value(given) if given is not None or known.node.kind in ("null", "union") else None
        if target.intake is not None:
            found.append(None if value is None else friendly(known.node, value))
        else:
            found.append(None if given is None else avro.framed(known.id, encoded(known, value)))
    return (found[0], found[1]) if target.intake is None else (None, line(target, found[0], found[1]))


def encoded(known: Known, value: Any) -> bytes:
    """A value as Avro. Raises RefusalError 42203."""
    try:
        return avro.write(known.text, value)
    except WaysideError as error:
        raise refusals.no_conversion(error.what) from error


def line(target: Target, key: Any, value: Any) -> bytes:
    """The message of a declared topic: the value, and from the key what the value does not have."""
    if isinstance(value, dict):
        assert target.wire is not None
        if isinstance(key, dict):
            value = {**key, **value}
        elif key is not None and len(target.wire.key) == 1:
            value = {target.wire.key[0]: key, **value}
    return orjson.dumps(value)


class Producer:
    """Sends messages and waits until they are durable."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.landing = Landing()

    async def send(self, target: Target, messages: Sequence[Message]) -> list[Outcome]:
        """An outcome for each message, in order. Raises WaysideError when nothing could be written at all."""
        if target.intake is not None and target.row_each:
            receipt = await self.landing.wait(target.intake.submit([each.value or b"null" for each in messages]))
            return of_batch(receipt, len(messages))
        if target.intake is not None:
            return await self.judged(target, messages)
        return await self.context.workers.run(self.append, target, messages)

    async def judged(self, target: Target, messages: Sequence[Message]) -> list[Outcome]:
        """Through the feed's intake, each by itself; the intake judges together what comes together."""
        assert target.intake is not None
        waiting: list[asyncio.Future[Receipt] | WaysideError] = []
        for message in messages:
            try:
                waiting.append(self.landing.wait(target.intake.submit([message.value or b"null"])))
            except OverloadedError as error:
                waiting.append(error)
        outcomes: list[Outcome] = []
        failed: list[WaysideError] = []
        for each in waiting:
            try:
                if isinstance(each, WaysideError):
                    raise each
                outcomes.append(of_receipt(await each))
            except WaysideError as error:
                failed.append(error)
                outcomes.append(outcome(error=(refusals.RETRY, error.what)))
        if len(failed) == len(messages):
            raise failed[0]
        return outcomes

    def append(self, target: Target, messages: Sequence[Message]) -> list[Outcome]:
        """To a plain topic: one write per partition that was asked for, and one for the rest."""
        groups: dict[int | None, list[int]] = {}
        for at, message in enumerate(messages):
            groups.setdefault(message.partition, []).append(at)
        outcomes: list[Outcome] = [{}] * len(messages)
        writes: list[tuple[list[int], Future[Appended]]] = []
        for partition, rows in groups.items():
            frame = pl.DataFrame([(messages[at].key, messages[at].value) for at in rows], schema=PLAIN, orient="row")
            writes.append((rows, self.context.services.broker.append(target.topic, frame, partition=partition)))
        for rows, write in writes:
            found = write.result(self.context.services.limits.query_seconds)
            for at, place, offset in zip(rows, found.partitions, found.offsets, strict=True):
                outcomes[at] = outcome(place, offset)
        return outcomes


def of_batch(receipt: Receipt, count: int) -> list[Outcome]:
    """Where each of `count` records went that become one row each: those that are not rejected, in order."""
    refused = {each.row: each for each in reversed(receipt.rejections)}
    places = zip(receipt.appended.partitions.to_list(), receipt.appended.offsets.to_list(), strict=True)
    return [broken(refused[row]) if row in refused else outcome(*next(places)) for row in range(count)]


def broken(rejection: Rejection) -> Outcome:
    """The entry of a record that broke a rule: it is in quarantine."""
    return outcome(error=(refusals.REJECTED, f"{rejection.message} Broken rule: {rejection.rule}."))


def of_receipt(receipt: Receipt) -> Outcome:
    """Where a record went, or the rule that it broke: then it is in quarantine."""
    if receipt.rejections:
        return broken(receipt.rejections[0])
    appended = receipt.appended
    if not len(appended.offsets):
        return outcome()  # the feed's parse function made no row of it
    return outcome(appended.partitions[0], appended.offsets[0])


def outcome(
    partition: int | None = None, offset: int | None = None, *, error: tuple[int, str] | None = None
) -> Outcome:
    """One entry of the answer."""
    code, words = error or (None, None)
    return {"partition": partition, "offset": offset, "error_code": code, "error": words}


def answer(produced: Produced, outcomes: list[Outcome]) -> dict[str, Any]:
    """The body of the answer."""
    return {
        "offsets": outcomes,
        "key_schema_id": produced.key_schema.id if produced.key_schema else None,
        "value_schema_id": produced.value_schema.id if produced.value_schema else None,
    }


def bounded(body: dict[str, Any], most: int) -> None:
    """Raise RefusalError 413 for too many records."""
    records = body.get("records")
    if isinstance(records, list) and len(records) > most:
        raise RefusalError(413, f"The body holds {len(records):,} records; at most {most:,} are taken per request.")
