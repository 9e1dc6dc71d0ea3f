"""What PySpark's own package lacks: the jars of its Kafka connector, of Delta and of S3, by Maven, once.

spark.py            gets the jars and prints their folder
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cluster.places import cache
from cluster.process import ServerError

VERSION = "4.2.0"
# Only these: with what they depend on, 26 older copies of jars that PySpark brings would come along.
PACKAGES = {
    "org.apache.spark:spark-sql-kafka-0-10_2.13": VERSION,
    "org.apache.spark:spark-token-provider-kafka-0-10_2.13": VERSION,
    "org.apache.kafka:kafka-clients": "3.9.2",
    "org.apache.commons:commons-pool2": "2.13.1",
    "io.delta:delta-spark_4.2_2.13": "4.4.0",
    "io.delta:delta-storage": "4.4.0",
}
# For s3a:// paths. The one jar that hadoop-aws asks for has the clients of all of AWS (600 MB); these are 15 MB.
OBJECT_PACKAGES = {
    "org.apache.hadoop:hadoop-aws": "3.5.0",
    "software.amazon.s3.analyticsaccelerator:analyticsaccelerator-s3": "1.3.1",
}
OBJECT_CLIENTS = dict.fromkeys(
    (f"software.amazon.awssdk:{name}" for name in ("s3", "s3-transfer-manager", "sts", "apache-client")), "2.57.8"
)
DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.databricks.delta.snapshotPartitions": "2",
}
"""Settings of a session that reads and writes Delta."""
_ALONE = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
_SPARK_HAS = "".join(
    ["<exclusions>"]
    + [
        f"<exclusion><groupId>{group}</groupId><artifactId>*</artifactId></exclusion>"
        for group in ("io.netty", "org.slf4j")
    ]
    + ["</exclusions>"]
)


def missing() -> str | None:
    """Why this machine cannot run Spark with Kafka, or null."""
    if find_spec("pyspark") is None:
        return "pyspark is not installed (the extra 'spark'; 'make setup' brings it where there is Java)"
    if shutil.which("java") is None:
        return "java is not on PATH (Debian: apt-get install openjdk-17-jre-headless)"
    if shutil.which("mvn") is None and not (folder() / "done").is_file():
        return "mvn is not on PATH (Debian: apt-get install maven)"
    return None


def folder() -> Path:
    """Where the jars are kept."""
    return cache() / f"spark-jars-{VERSION}"


def install() -> list[Path]:
    """Get the jars of Kafka and Delta unless they are there; returns them. Raises ServerError."""
    return _installed(folder(), _pom(PACKAGES))


def install_objects() -> list[Path]:
    """Get the jars of S3 unless they are there; returns them. Raises ServerError."""
    return _installed(cache() / f"spark-s3-jars-{VERSION}", _pom(OBJECT_PACKAGES, OBJECT_CLIENTS))


def s3a(config: Mapping[str, str]) -> dict[str, str]:
    """Spark's settings for the storage that these settings of a lake reach."""
    names = {
        "endpoint_url": "endpoint",
        "region": "endpoint.region",
        "access_key_id": "access.key",
        "secret_access_key": "secret.key",
    }
    found = {f"spark.hadoop.fs.s3a.{names[key]}": value for key, value in config.items() if key in names}
    return {**found, "spark.hadoop.fs.s3a.path.style.access": "true"}


def _installed(place: Path, pom: str) -> list[Path]:
    if not (place / "done").is_file():
        place.mkdir(parents=True, exist_ok=True)
        (place / "pom.xml").write_text(pom)
        command = ["mvn", "-B", "-ntp", "dependency:copy-dependencies", "-DincludeScope=runtime"]
        done = subprocess.run(
            [*command, "-DoutputDirectory=lib"], cwd=place, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ServerError(f"Maven could not get Spark's jars:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
        (place / "done").touch()
    return sorted((place / "lib").glob("*.jar"))


def _pom(alone: Mapping[str, str], whole: Mapping[str, str] | None = None) -> str:
    """Packages without what they depend on, and others with it, except for what Spark has itself."""
    named = []
    for packages, without in ((alone, _ALONE), (whole or {}, _SPARK_HAS)):
        for name, version in packages.items():
            group, artifact = name.split(":")
            named.append(
                f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
                f"<version>{version}</version>{without}</dependency>"
            )
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>spark-jars</artifactId>"
        f"<version>1</version><packaging>pom</packaging><dependencies>{''.join(named)}</dependencies></project>\n"
    )


def main() -> int:
    if reason := missing():
        print(reason)
        return 1
    print(install()[0].parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
