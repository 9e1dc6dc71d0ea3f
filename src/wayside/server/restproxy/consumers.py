"""The routes of consumers: made, subscribed or assigned, asked for records, positioned, committed, and ended."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import polars as pl
from starlette.responses import Response

from wayside.errors import WaysideError
from wayside.server.compat import Answer, Asked
from wayside.server.operations import Context
from wayside.server.restproxy import refusals
from wayside.server.restproxy.formats import FORMATS, check_accept, media
from wayside.server.restproxy.groups import Config, Consumer, Groups
from wayside.server.restproxy.reading import Reader
from wayside.server.restproxy.targets import LETTERS, Targets
from wayside.values import Position

INSTANCE = "/consumers/{group}/instances/{instance}"
LONGEST = 200
MOST_WAIT = 30.0
KNOWN = (
    "name", "format", "auto.offset.reset", "auto.commit.enable", "fetch.min.bytes", "consumer.request.timeout.ms",
)  # fmt: skip


class Consumers:
    """Answers what consumers ask."""

    def __init__(self, context: Context, targets: Targets, groups: Groups, reader: Reader) -> None:
        self.context = context
        self.targets = targets
        self.groups = groups
        self.reader = reader

    def answers(self) -> list[tuple[str, str, Answer]]:
        """Method, path and answer of each route."""
        return [
            ("POST", "/consumers/{group}", self.create),
            ("DELETE", INSTANCE, self.end),
            ("POST", f"{INSTANCE}/subscription", self.subscribe),
            ("GET", f"{INSTANCE}/subscription", self.subscription),
            ("DELETE", f"{INSTANCE}/subscription", self.unsubscribe),
            ("POST", f"{INSTANCE}/assignments", self.assign),
            ("GET", f"{INSTANCE}/assignments", self.assignments),
            *position_answers(self),
            *offset_answers(self),
            ("GET", f"{INSTANCE}/records", self.records),
        ]

    async def found(self, asked: Asked) -> Consumer:
        """The consumer of the path. Raises RefusalError 40403."""
        return await self.context.workers.run(self.groups.find, asked.part("group"), asked.part("instance"))

    async def create(self, asked: Asked) -> Any:
        """A new consumer of a group; the answer has its address."""
        group, given = asked.part("group"), await asked.body() or {}
        config = config_of(given)
        name = given.get("name") or f"rest-consumer-{uuid.uuid4()}"
        for part in (group, name):
            check_name(part)
        made = await self.context.workers.run(self.groups.create, group, name, config)
        url = asked.request.url
        return {
            "instance_id": made.id,
            "base_uri": f"{url.scheme}://{url.netloc}/consumers/{group}/instances/{made.id}",
        }

    async def end(self, asked: Asked) -> None:
        """End a consumer."""
        consumer = await self.found(asked)
        await self.context.workers.run(self.groups.end, consumer)

    async def subscribe(self, asked: Asked) -> None:
        """Read topics, named or by pattern, together with the others of the group."""
        consumer, given = await self.found(asked), await asked.members()
        topics, pattern = given.get("topics"), given.get("topic_pattern")
        if (topics is None) == (pattern is None):
            raise refusals.illegal("Subscription to topics, partitions and pattern are mutually exclusive")
        if topics is not None and not texts(topics):
            raise refusals.invalid("The member `topics` is a list of names.")
        if pattern is not None:
            check_pattern(pattern)
        names = None if topics is None else tuple(topics)
        await self.context.workers.run(self.groups.subscribe, consumer, names, pattern)

    async def subscription(self, asked: Asked) -> Any:
        """The topics that it subscribes to."""
        topics = await self.context.workers.run(self.groups.topics_of, await self.found(asked))
        return {"topics": sorted(topics)}

    async def unsubscribe(self, asked: Asked) -> None:
        """Read nothing more."""
        await self.context.workers.run(self.groups.unsubscribe, await self.found(asked))

    async def assign(self, asked: Asked) -> None:
        """Read these partitions, whoever else does."""
        consumer = await self.found(asked)
        places = await self.existing([place for place, _ in entries(await asked.members(), "partitions")])
        await self.context.workers.run(self.groups.assign, consumer, places)

    async def assignments(self, asked: Asked) -> Any:
        """The partitions that it reads."""
        found = (await self.found(asked)).assigned
        return {"partitions": [{"topic": topic, "partition": number} for topic, number in found]}

    async def records(self, asked: Asked) -> Any:
        """The next records; `timeout` in milliseconds, `max_bytes`."""
        consumer = await self.found(asked)
        check_accept(asked.request, consumer.config.format)
        seconds = number_of(asked.text("timeout"), "timeout", consumer.config.wait * 1000) / 1000
        most = int(number_of(asked.text("max_bytes"), "max_bytes", self.context.services.limits.body_batch))
        if not consumer.subscribes and not consumer.assigned:
            raise refusals.illegal("Consumer is not subscribed to any topics or assigned any partitions")
        cap = self.context.services.limits.body_batch
        try:
            found = await self.reader.records(consumer, min(seconds, MOST_WAIT), min(most, cap))
        except WaysideError as error:
            refusals.translate(error)
        return Response(b"[" + b",".join(found) + b"]", media_type=media(consumer.config.format))

    async def existing(self, places: list[Position]) -> list[Position]:
        """The partitions, if they are there. Raises RefusalError 40401, 40402."""
        counts = {name: await self.context.workers.run(self.targets.find, name) for name, _ in places}
        for name, number in places:
            if number >= counts[name].spec.partitions:
                raise refusals.no_partition()
        return places

    async def assigned(self, consumer: Consumer, places: list[Position]) -> list[Position]:
        """The partitions, if the consumer reads them. Raises RefusalError 40903."""
        for place in places:
            if place not in consumer.assigned:
                raise refusals.illegal(f"No current assignment for partition {place[0]}-{place[1]}")
        return await self.existing(places)


def position_answers(consumers: Consumers) -> list[tuple[str, str, Answer]]:
    """The routes about where a consumer is."""
    groups, run = consumers.groups, consumers.context.workers.run

    async def seek(asked: Asked) -> None:
        """Go on at these offsets."""
        consumer = await consumers.found(asked)
        wanted = {place: offset_of(entry) for place, entry in entries(await asked.members(), "offsets")}
        await consumers.assigned(consumer, list(wanted))
        consumer.positions.update(wanted)

    def to_edge(edge: str) -> Answer:
        async def move(asked: Asked) -> None:
            """Go on at the beginning, or at the end, of these partitions."""
            consumer = await consumers.found(asked)
            places = [place for place, _ in entries(await asked.members(), "partitions")]
            for place in await consumers.assigned(consumer, places):
                topic, number = await run(groups.in_log, place)
                info = (await run(consumers.context.services.broker.partitions, topic))[number]
                consumer.positions[place] = info.start if edge == "beginning" else info.end

        return move

    return [
        ("POST", f"{INSTANCE}/positions", seek),
        ("POST", f"{INSTANCE}/positions/beginning", to_edge("beginning")),
        ("POST", f"{INSTANCE}/positions/end", to_edge("end")),
    ]


def offset_answers(consumers: Consumers) -> list[tuple[str, str, Answer]]:
    """The routes about what a consumer's group has committed."""
    groups, run = consumers.groups, consumers.context.workers.run

    async def commit(asked: Asked) -> None:
        """Commit offsets, or everything that was returned."""
        consumer, given = await consumers.found(asked), await asked.body() or {}
        if not isinstance(given, dict):
            raise refusals.invalid("The body must be a JSON object.")
        if "offsets" in given:
            # The offset of the last record that was processed; what is kept is the next one.
            wanted = {place: offset_of(entry) + 1 for place, entry in entries(given, "offsets")}
            await consumers.existing(list(wanted))
        elif "partitions" in given:
            places = [place for place, _ in entries(given, "partitions")]
            wanted = {place: consumer.positions[place] for place in places if place in consumer.positions}
        else:
            wanted = dict(consumer.returned)
        try:
            await run(groups.commit, consumer, wanted)
        except WaysideError as error:
            refusals.translate(error)

    async def committed(asked: Asked) -> Any:
        """What the group has committed; the partitions are in the body."""
        consumer, given = await consumers.found(asked), await asked.body()
        if not isinstance(given, dict | None):
            raise refusals.invalid("The body must be a JSON object.")
        places = await consumers.existing([place for place, _ in entries(given or {}, "partitions")])
        known = await run(groups.committed, consumer, places or consumer.assigned)
        return {
            "offsets": [
                {"topic": topic, "partition": number, "offset": offset, "metadata": ""}
                for (topic, number), offset in known.items()
            ]
        }

    return [
        ("POST", f"{INSTANCE}/offsets", commit),
        ("GET", f"{INSTANCE}/offsets", committed),
    ]


# -- what clients give -------------------------------------------------------------------------------------------------


def config_of(given: Any) -> Config:
    """How a consumer is to be. Raises RefusalError 42204."""
    if not isinstance(given, dict):
        raise refusals.invalid("The body must be a JSON object.")
    for name in given:
        if name not in KNOWN:
            raise refusals.consumer_config(f"there is no {name[:80]!r}; known are {', '.join(KNOWN)}.")
    format, reset = given.get("format", "binary"), given.get("auto.offset.reset", "latest")
    commit = str(given.get("auto.commit.enable", "true")).lower()
    if format not in FORMATS:
        raise refusals.consumer_config(f"the format is one of {', '.join(FORMATS)}.")
    if reset not in ("earliest", "latest"):
        raise refusals.consumer_config("auto.offset.reset is earliest or latest.")
    if commit not in ("true", "false"):
        raise refusals.consumer_config("auto.commit.enable is true or false.")
    wait = number_of(str(given.get("consumer.request.timeout.ms", "")), "consumer.request.timeout.ms", 1000)
    return Config(format, reset, commit == "true", wait / 1000)


def check_name(name: Any) -> None:
    """Raise RefusalError 42204 for what cannot be the name of a group or consumer."""
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST or not set(name) <= LETTERS:
        raise refusals.consumer_config(f"a name has 1 to {LONGEST} letters, digits, dots, dashes and underscores.")


def check_pattern(pattern: Any) -> None:
    """Raise RefusalError 422 for what is no regular expression."""
    try:
        if not isinstance(pattern, str) or len(pattern) > LONGEST:
            raise ValueError(pattern)
        pl.Series([""]).str.contains(f"^(?:{pattern})$")
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise refusals.invalid("The member `topic_pattern` is a regular expression of at most 200 letters.") from error


def texts(given: Any) -> bool:
    """Whether it is a list of texts that is not empty."""
    return isinstance(given, list) and bool(given) and all(isinstance(each, str) for each in given)


def entries(given: dict[str, Any], member: str) -> list[tuple[Position, dict[str, Any]]]:
    """A list of partitions, each with what else was said of it. Raises RefusalError 422."""
    found: Sequence[Any] = given.get(member) or []
    if not isinstance(given.get(member, []), list):
        raise refusals.invalid(f"The member `{member}` is a list.")
    made = []
    for each in found:
        if not isinstance(each, dict) or not isinstance(each.get("topic"), str) or not whole(each.get("partition")):
            raise refusals.invalid(f"Each of `{member}` has a topic and a partition.")
        made.append(((each["topic"], each["partition"]), each))
    return made


def offset_of(entry: dict[str, Any]) -> int:
    """The offset of an entry. Raises RefusalError 422."""
    offset = entry.get("offset")
    if not whole(offset):
        raise refusals.invalid("An offset is a number of at least 0.")
    return int(offset)  # type: ignore[arg-type] # it is a number


def whole(value: Any) -> bool:
    """Whether it is a count."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**62


def number_of(text: str, name: str, default: float) -> float:
    """A parameter that is a number of at least 0. Raises RefusalError 422."""
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise refusals.invalid(f"{name} is a whole number of at least 0.")
    return float(text)
