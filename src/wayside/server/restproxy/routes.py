"""The REST Proxy's routes, at the root, where its clients look for them."""

from __future__ import annotations

from typing import Any

from wayside.errors import WaysideError
from wayside.server.compat import Api, Asked, CompatibleRoute, rest_of, route
from wayside.server.operations import Context
from wayside.server.registry.store import SchemaStore
from wayside.server.restproxy import produce, refusals
from wayside.server.restproxy.consumers import Consumers
from wayside.server.restproxy.formats import MEDIA_TYPE, TAKEN, produced
from wayside.server.restproxy.groups import Groups
from wayside.server.restproxy.reading import Reader
from wayside.server.restproxy.targets import Target, Targets

API = Api(MEDIA_TYPE, TAKEN)
REPLICA = {"broker": 0, "leader": True, "in_sync": True}


class Topics:
    """Answers what is asked about topics, and takes what is produced to them."""

    def __init__(self, context: Context, targets: Targets, store: SchemaStore) -> None:
        self.context = context
        self.targets = targets
        self.store = store
        self.producer = produce.Producer(context)

    async def names(self, asked: Asked) -> Any:
        """Names of the topics."""
        return await self.context.workers.run(self.targets.names)

    async def brokers(self, asked: Asked) -> Any:
        """The brokers: always one."""
        return {"brokers": [0]}

    async def topic(self, asked: Asked) -> Any:
        """A topic with its settings and partitions."""
        target = await self.found(asked)
        return {"name": target.name, "configs": configs(target), "partitions": partitions(target)}

    async def partitions(self, asked: Asked) -> Any:
        """The partitions of a topic."""
        return partitions(await self.found(asked))

    async def partition(self, asked: Asked) -> Any:
        """One partition."""
        return partitions(await self.found(asked))[await self.number(asked)]

    async def offsets(self, asked: Asked) -> Any:
        """The first kept and the next offset of a partition."""
        target, number = await self.found(asked), await self.number(asked)
        info = (await self.context.workers.run(self.context.services.broker.partitions, target.topic))[number]
        return {"beginning_offset": info.start, "end_offset": info.end}

    async def produce(self, asked: Asked) -> Any:
        """Produce records; each has its own place or error in the answer."""
        format, run = produced(asked.request), self.context.workers.run
        body = await asked.members()
        produce.bounded(body, self.context.services.limits.batch_records)
        target: Target = await run(self.targets.find_or_create, asked.part("topic"))
        number = await self.number(asked) if "partition" in asked.request.path_params else None
        prepared = await run(produce.prepare, body, target, format, self.store, number)
        try:
            outcomes = await self.producer.send(target, prepared.messages)
        except WaysideError as error:
            refusals.translate(error)
        return produce.answer(prepared, outcomes)

    async def found(self, asked: Asked) -> Target:
        """The topic of the path. Raises RefusalError 40401."""
        return await self.context.workers.run(self.targets.find, asked.part("topic"))

    async def number(self, asked: Asked) -> int:
        """The partition of the path. Raises RefusalError 40401, 40402."""
        target, text = await self.found(asked), asked.part("partition")
        if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) >= target.spec.partitions:
            raise refusals.no_partition()
        return int(text)


def partitions(target: Target) -> list[dict[str, Any]]:
    """The partitions of a topic, as if one broker led them all."""
    return [{"partition": number, "leader": 0, "replicas": [REPLICA]} for number in range(target.spec.partitions)]


def configs(target: Target) -> dict[str, str]:
    """What a topic is set to, in Kafka's names."""
    spec = target.spec
    age = -1 if spec.retention_age is None else round(spec.retention_age.total_seconds() * 1000)
    return {
        "cleanup.policy": "compact" if spec.compact else "delete",
        "retention.ms": str(age),
        "retention.bytes": str(-1 if spec.retention_bytes is None else spec.retention_bytes),
    }


def proxy_routes(context: Context, store: SchemaStore) -> list[CompatibleRoute]:
    """All routes."""
    services = context.services
    targets = Targets(services)
    topics = Topics(context, targets, store)
    groups = Groups(services.broker, targets, services.clock, services.limits)
    consumers = Consumers(context, targets, groups, Reader(context, targets, groups, store))
    one, part = "/topics/{topic}", "/topics/{topic}/partitions/{partition}"
    answers = [
        ("GET", "/brokers", topics.brokers),
        ("GET", "/topics", topics.names),
        ("GET", one, topics.topic),
        ("POST", one, topics.produce),
        ("GET", f"{one}/partitions", topics.partitions),
        ("GET", part, topics.partition),
        ("POST", part, topics.produce),
        ("GET", f"{part}/offsets", topics.offsets),
        *consumers.answers(),
    ]
    routes = [route(context, API, method, path, answer) for method, path, answer in answers]
    return [*routes, *rest_of(context, API, "/topics"), *rest_of(context, API, "/consumers")]
