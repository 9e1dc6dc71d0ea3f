"""One Kafka node (KRaft, no ZooKeeper) as a plain process on loopback.

kafka.py            gets the server's jars with Maven, starts a node, prints its address, and stops it at Ctrl-C
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cluster.places import cache
from cluster.process import ServerError, ServerProcess, free_port

VERSION = "4.4.0"
# An SLF4J binding: the server brings none, and would be silent about why it does not start.
PACKAGES = {"org.apache.kafka:kafka_2.13": VERSION, "org.apache.logging.log4j:log4j-slf4j-impl": "2.25.5"}
_CLUSTER = "r8pKlOFJQc2m2QjkJyL6Dw"
_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true")
_LOGGING = """\
rootLogger.level=INFO
rootLogger.appenderRefs=out
rootLogger.appenderRef.out.ref=OUT
appender.out.type=Console
appender.out.name=OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c{1} %m%n
"""
_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "num.partitions": "1",
    "auto.create.topics.enable": "false",
    # The topics of the broker itself want three nodes unless told otherwise.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    # After kill -9 a node may register again only when its old session has ended (9 s by default).
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "400",
    # One node has no replica to recover from: a record is on disk before it is acknowledged, as in the embedded log.
    "log.flush.interval.messages": "1",
    "log.cleaner.backoff.ms": "1000",
    "log.retention.check.interval.ms": "2000",
    "log.initial.task.delay.ms": "1000",
}


def missing() -> str | None:
    """Why this machine cannot run a node, or null."""
    for program, package in (("java", "openjdk-17-jre-headless"), ("mvn", "maven")):
        if shutil.which(program) is None and not (program == "mvn" and (jars() / "done").is_file()):
            return f"{program} is not on PATH (Debian: apt-get install {package})"
    return None


def jars() -> Path:
    """The folder of the server's jars."""
    return cache() / f"kafka-{VERSION}"


def install() -> Path:
    """Get the jars unless they are there; returns their folder. Raises ServerError."""
    folder = jars()
    if (folder / "done").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    named = [
        "<dependency>"
        + "".join(
            f"<{tag}>{text}</{tag}>" for tag, text in zip(("groupId", "artifactId"), name.split(":"), strict=True)
        )
        + f"<version>{version}</version></dependency>"
        for name, version in PACKAGES.items()
    ]
    (folder / "pom.xml").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>kafka-node</artifactId>"
        f"<version>1</version><packaging>pom</packaging><dependencies>{''.join(named)}</dependencies></project>\n"
    )
    command = ["mvn", "-B", "-ntp", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=lib"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"Maven could not get Kafka {VERSION}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
    (folder / "log4j2.properties").write_text(_LOGGING)
    (folder / "done").touch()
    return folder


@dataclass
class KafkaNode:
    """A node with its data below `folder`; it keeps its ports, so that it can be killed and started again."""

    folder: Path
    memory: str = "512m"
    properties: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    controller_port: int = field(default_factory=free_port)
    process: ServerProcess | None = None

    @property
    def servers(self) -> str:
        """What clients call `bootstrap.servers`."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> KafkaNode:
        """Format the folder the first time, start, and wait until the node answers. Raises ServerError."""
        lib = install()
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "server.properties"
        if not config.is_file():
            config.write_text("".join(f"{name}={value}\n" for name, value in self._settings().items()))
            self._run_tool(lib, config)
        command = self._java(lib, self.memory, "kafka.Kafka", str(config))
        self.process = ServerProcess.start("kafka", command, folder=self.folder)
        self.process.wait_for(self.answers)
        return self

    def answers(self) -> bool:
        """Whether the node has joined its own cluster and listens."""
        assert self.process is not None
        if "Kafka Server started" not in self.process.tail(2000).rpartition("Registered signal handlers")[2]:
            return False
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """Stop cleanly, with a limit."""
        if self.process is not None:
            self.process.stop()

    def kill(self) -> None:
        """As a power cut does to a process."""
        assert self.process is not None
        self.process.send(signal.SIGKILL)
        self.process.process.wait(10)

    def freeze(self) -> None:
        """Let the node neither answer nor close a connection."""
        assert self.process is not None
        self.process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self.process is not None
        self.process.send(signal.SIGCONT)

    def _settings(self) -> dict[str, str]:
        own = f"PLAINTEXT://{self.servers}"
        controller = f"CONTROLLER://127.0.0.1:{self.controller_port}"
        return {
            **_PROPERTIES,
            "listeners": f"{own},{controller}",
            "advertised.listeners": f"{own},{controller}",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller_port}",
            "log.dirs": str(self.folder / "data"),
            **self.properties,
        }

    def _run_tool(self, lib: Path, config: Path) -> None:
        tool = self._java(lib, "128m", "kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(config))
        done = subprocess.run([*tool, "--standalone"], capture_output=True, text=True, check=False)
        if done.returncode:
            config.unlink()
            raise ServerError(f"Kafka's folder could not be formatted:\n{done.stdout}{done.stderr}")

    def _java(self, lib: Path, memory: str, *arguments: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={lib / 'log4j2.properties'}"
        return ["java", f"-Xmx{memory}", *_JVM, logging, "-cp", f"{lib / 'lib'}/*", *arguments]


def main() -> int:
    if reason := missing():
        print(reason)
        return 1
    with tempfile.TemporaryDirectory(prefix="wayside-kafka-") as folder:
        node = KafkaNode(Path(folder)).start()
        try:
            print(f"Kafka {VERSION} answers at {node.servers}; Ctrl-C stops it.", flush=True)
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
        finally:
            node.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
