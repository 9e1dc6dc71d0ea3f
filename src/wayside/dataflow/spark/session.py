"""A session of Spark, made with what a plan needs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wayside.errors import MissingExtraError

QUIET = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "50000",
    # A cell of bytes is a piece of up to some megabytes; many of them are not to be put into one Arrow batch.
    "spark.sql.execution.arrow.maxBytesPerBatch": str(64 << 20),
    "spark.driver.maxResultSize": "2g",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
}
JAVA = "spark.driver.extraJavaOptions"


def session(
    master: str = "local[*]",
    *,
    jars: Sequence[Path] = (),
    memory: str = "1g",
    options: Mapping[str, str] | None = None,
    scratch: Path | None = None,
) -> Any:
    """The session of this process, made if there is none; `options` are Spark's own and go before ours.

    `scratch` is a folder for what Spark puts down while it runs (else in that for temporary files); one process at a
    time uses it, and what an earlier one could not remove, because it was killed, is removed now.

    Workers get this interpreter and its module path, so that they import the very same functions.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise MissingExtraError(
            "The Spark engine needs the package pyspark.", next="Install wayside with the extra: wayside[spark]."
        ) from error
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    chosen = {
        **QUIET,
        "spark.driver.memory": memory,
        "spark.executorEnv.PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        # Tasks run beside each other already.
        "spark.executorEnv.POLARS_MAX_THREADS": "1",
        **({"spark.jars": ",".join(map(str, jars))} if jars else {}),
        **(options or {}),
        **(inside(scratch, options or {}) if scratch is not None and master.startswith("local") else {}),
    }
    builder = SparkSession.builder.master(master).appName("wayside")
    for name, value in chosen.items():
        builder = builder.config(name, value)
    made = builder.getOrCreate()
    made.sparkContext.setLogLevel("ERROR")
    return made


def inside(scratch: Path, options: Mapping[str, str]) -> dict[str, str]:
    """Settings that keep the files of Spark and of its JVM in a folder of this process, the only one left there."""
    own = scratch.absolute() / str(os.getpid())
    for old in scratch.glob("*"):
        if old.name != own.name:
            shutil.rmtree(old, ignore_errors=True)
    own.mkdir(parents=True, exist_ok=True)
    java = f'{options.get(JAVA, "")} "-Djava.io.tmpdir={own}"'.strip()
    return {"spark.local.dir": options.get("spark.local.dir", str(own)), JAVA: java}
