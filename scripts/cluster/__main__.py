"""`make cluster`: everything of the cluster profile on this machine, until Ctrl-C; nothing is left behind.

CLUSTER_SECONDS=n ends it by itself, with a summary. CLUSTER_SIMULATE=1 starts the domains' simulators.
CLUSTER_ENGINE=spark runs the plan on Spark. A process of Wayside that somebody stops is started again, on its port.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cluster import spark
from cluster.process import ServerError
from cluster.site import Site, running

STOPPED = (0, 128 + signal.SIGINT, 128 + signal.SIGTERM)
"""Exit codes of a process that was told to end; negative ones are signals that it did not outlive."""
AWAY = 10.0
"""Seconds that such a process stays away, so that one can see how the others go on."""


def main() -> int:
    """Run until a signal or the end of CLUSTER_SECONDS; returns the exit code."""
    seconds = float(os.environ.get("CLUSTER_SECONDS") or 0)
    folder = Path(tempfile.mkdtemp(prefix="wayside-cluster-"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running(folder, env=chosen(), say=lambda text: print(text, flush=True)) as site:
            print(invitation(site), flush=True)
            wait(site, seconds)
            if seconds:
                print(summary(site), flush=True)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def chosen() -> dict[str, str]:
    """Settings of Wayside's processes that follow from the environment. Raises ServerError."""
    env = {"WAYSIDE_SIMULATE": "true"} if os.environ.get("CLUSTER_SIMULATE") else {}
    if os.environ.get("CLUSTER_ENGINE") == "spark":
        if (reason := spark.missing()) is not None:
            raise ServerError(reason)
        env |= {"WAYSIDE_ENGINE": "spark", "WAYSIDE_SPARK_JARS": ",".join(map(str, spark.install()))}
    return env


def invitation(site: Site) -> str:
    """Where everything is."""
    lines = [f"{part.name}: {part.address}/ (process {part.pid})" for part in site.replicas]
    lines += [f"{site.engine.name}: process {site.engine.pid}"]
    lines += [f"Kafka: {site.kafka.servers}", f"PostgreSQL: {site.postgres.dsn}", f"Logs: {site.folder}"]
    return "\n".join([*lines, "Ctrl-C stops all of it and removes what it has stored."])


def wait(site: Site, seconds: float) -> None:
    """Until the time is up, or for ever. Raises ServerError when a process has failed."""
    until = time.monotonic() + (seconds or float("inf"))
    ended: dict[str, float] = {}
    while (now := time.monotonic()) < until:
        for part in site.parts.values():
            code = part.process.process.poll() if part.process is not None else None
            if code is None:
                continue
            if code > 0 and code not in STOPPED:
                raise ServerError(f"{part.name} has ended with {code}.\n{part.process.tail() if part.process else ''}")
            if part.name not in ended:
                ended[part.name] = now
                print(f"{part.name} was stopped; it is started again after {AWAY:g} s", flush=True)
            elif now - ended[part.name] >= AWAY:
                del ended[part.name]
                part.start()
                print(f"{part.name} is ready again (process {part.pid})", flush=True)
        time.sleep(0.2)


def summary(site: Site) -> str:
    """One line: what came in, how long the starts took, how much memory each part has."""
    import psycopg

    query = "SELECT coalesce(sum((position ->> 2)::bigint), 0) FROM wayside._checkpoints, "
    query += "json_array_elements(body -> 'positions') AS position WHERE consumers = 'engine'"
    with psycopg.connect(site.postgres.dsn) as connection:
        found = connection.execute(query.encode()).fetchone()
    memory = ", ".join(f"{name} {size >> 20} MiB" for name, size in site.memory().items())
    return (
        f"Cluster: {int(found[0]) if found else 0:,} records computed; all of it was ready after "
        f"{sum(site.took.values()):.0f} s; memory: {memory}."
    )


if __name__ == "__main__":
    sys.exit(main())
