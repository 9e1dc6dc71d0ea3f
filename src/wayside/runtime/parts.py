"""Which broker, store, engine and lake a process gets, by profile and role: the one place that chooses.

| | embedded | cluster |
|---|---|---|
| log | segments in the data folder | Kafka; the data folder when no servers are named |
| engine | this process | this process, or Spark |
| hot store | SQLite in the data folder | PostgreSQL |
| lake | Delta in the data folder, or in a bucket | the same, in the folder of the engine's process |

A process of the role `server` runs no engine: it follows the commits of the one that does.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from wayside.broker import EmbeddedBroker
from wayside.clock import SYSTEM, Clock
from wayside.dataflow import EmbeddedEngine
from wayside.dataflow.replica import ReplicaEngine
from wayside.domain import Plan
from wayside.errors import ConfigError
from wayside.hot.sqlite import SqliteStore
from wayside.lake.bucket import Bucket
from wayside.lake.delta import DeltaLake
from wayside.ports import Broker, HotStore
from wayside.quarantine import SPEC
from wayside.runtime.folder import Folder, hold
from wayside.settings import Settings

if TYPE_CHECKING:
    from wayside.dataflow.spark import SparkEngine
    from wayside.hot.postgres.store import PostgresStore

PATIENCE = 30.0
"""Seconds that a process waits for the servers that it needs when it starts."""


def check(settings: Settings) -> None:
    """Settings that contradict each other are refused before anything is opened. Raises ConfigError."""
    if settings.profile == "cluster" and not settings.postgres_dsn.get_secret_value():
        raise ConfigError(
            "The cluster profile needs PostgreSQL.",
            where="postgres_dsn",
            next="Set WAYSIDE_POSTGRES_DSN, like postgresql://user:password@host/database.",
        )
    if settings.engine == "spark" and not shared(settings):
        raise ConfigError(
            "Spark reads from Kafka.",
            where="engine",
            next="Say --profile cluster and set WAYSIDE_KAFKA_SERVERS, or leave the embedded engine.",
        )
    if settings.profile == "embedded":
        named = [name for name in ("kafka_servers", "postgres_dsn") if getattr(settings, name)]
        if named and (named != ["postgres_dsn"] or settings.postgres_dsn.get_secret_value()):
            raise ConfigError(
                f"The setting {named[0]!r} belongs to the cluster profile.",
                where="profile",
                next="Say --profile cluster, or leave it out.",
            )
        if settings.role != "all":
            raise ConfigError(
                "In the embedded profile one process does everything.",
                where="role",
                next="Leave --role out, or say --profile cluster.",
            )


def shared(settings: Settings) -> bool:
    """Whether the log is Kafka, which many processes may write."""
    return settings.profile == "cluster" and bool(settings.kafka_servers)


def folder_of(settings: Settings) -> AbstractContextManager[Folder]:
    """The data folder, held by this process unless it only looks at what others write."""
    if settings.role == "server":
        return nullcontext(Folder(settings.data_dir))
    return hold(settings.data_dir)


def broker_of(settings: Settings, folder: Folder, clock: Clock = SYSTEM, plan: Plan | None = None) -> Broker:
    """The log, with the records of a plan as the settings want them on Kafka.

    In the role `server` without Kafka, that of another process on this machine, for reading.
    """
    if not shared(settings):
        if settings.role == "server":
            return EmbeddedBroker.reader(folder.log, clock=clock)
        return EmbeddedBroker(folder.log, clock=clock)
    from wayside.broker.kafka import KafkaBroker
    from wayside.broker.kafka.values import Values
    from wayside.runtime.schemas import schemas_of

    records = {name: topic.record for name, topic in plan.topics.items()} if plan is not None else {}
    unknown = sorted(settings.kafka_topic_values.keys() - records.keys()) if plan is not None else []
    if unknown:
        raise ConfigError(
            f"No domain declares the topic {unknown[0]!r}.",
            where="kafka_topic_values",
            why=f"Topics: {', '.join(records)}.",
        )
    return KafkaBroker(
        settings.kafka_servers,
        config=settings.kafka_config,
        prefix=settings.kafka_prefix,
        clock=clock,
        stop_within=settings.stop_within.total_seconds(),
        values=lambda log: Values(
            settings.kafka_values,
            records,
            schemas_of(settings.kafka_registry, log, clock),
            settings.kafka_topic_values,
        ),
    )


def create_topics(plan: Plan, broker: Broker, settings: Settings) -> None:
    """Create what the plan declares, unless this process may only read."""
    if settings.role == "server" and not shared(settings):
        return
    for topic in plan.topics.values():
        broker.create(topic.spec)
    broker.create(SPEC)


def store_of(settings: Settings, plan: Plan, folder: Folder, clock: Clock = SYSTEM) -> SqliteStore | PostgresStore:
    """The hot store, with the plan's tables and windows in it."""
    store = sqlite(folder, clock) if settings.profile == "embedded" else postgres(settings, clock)
    try:
        store.ensure([table.spec for table in plan.tables.values()], [window.spec for window in plan.windows.values()])
    except BaseException:
        store.close()
        raise
    return store


def sqlite(folder: Folder, clock: Clock = SYSTEM) -> SqliteStore:
    """The store in the data folder."""
    return SqliteStore(folder.hot, clock=clock)


def postgres(settings: Settings, clock: Clock = SYSTEM) -> PostgresStore:
    """The store in PostgreSQL."""
    from wayside.hot.postgres.store import PostgresStore

    return PostgresStore(
        settings.postgres_dsn.get_secret_value(), schema=settings.postgres_schema, clock=clock, patience=PATIENCE
    )


def engine_of(
    settings: Settings, plan: Plan, broker: Broker, store: HotStore, clock: Clock = SYSTEM
) -> EmbeddedEngine | ReplicaEngine | SparkEngine:
    """What runs the plan, or follows the process that does."""
    if settings.role == "server":
        return ReplicaEngine(plan, broker, store, clock=clock)
    if settings.engine == "spark":
        return spark_engine(settings, plan, broker, store, clock)
    return EmbeddedEngine(plan, broker, store, clock=clock)


def spark_engine(settings: Settings, plan: Plan, broker: Broker, store: HotStore, clock: Clock) -> SparkEngine:
    """Spark in front of the same Kafka. Raises MissingExtraError."""
    from wayside.broker.kafka.catalog import kafka_name
    from wayside.dataflow.spark import KafkaSource, SparkEngine, session
    from wayside.runtime.schemas import schemas_of

    names = {topic: kafka_name(settings.kafka_prefix, topic) for topic in plan.topics}
    jars = [Path(jar) for jar in settings.spark_jars]
    return SparkEngine(
        plan,
        broker,
        store,
        source=KafkaSource(settings.kafka_servers, names=names),
        sessions=lambda: session(
            settings.spark_master, jars=jars, options=settings.spark_config, scratch=settings.data_dir / "spark/scratch"
        ),
        checkpoints=settings.data_dir / "spark",
        schema_of=schemas_of(settings.kafka_registry, broker, clock).schema,
        clock=clock,
    )


def lake_of(settings: Settings, folder: Folder, clock: Clock = SYSTEM, *, read_only: bool = False) -> DeltaLake:
    """The lake. Raises ConfigError."""
    read_only = read_only or settings.role == "server"
    place = Bucket(settings.lake_url, settings.lake_config) if settings.lake_url else folder.lake
    return DeltaLake(place, clock=clock, read_only=read_only)
