"""What PySpark's own package lacks: the jars of its Kafka connector and of Delta, by Maven, once.

spark.py            gets the jars and prints their folder
"""

from __future__ import annotations

import shutil
import subprocess
import sys
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
_ALONE = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"


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
    """Get the jars unless they are there; returns them. Raises ServerError."""
    place = folder()
    if not (place / "done").is_file():
        place.mkdir(parents=True, exist_ok=True)
        (place / "pom.xml").write_text(_pom())
        command = ["mvn", "-B", "-ntp", "dependency:copy-dependencies", "-DincludeScope=runtime"]
        done = subprocess.run(
            [*command, "-DoutputDirectory=lib"], cwd=place, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ServerError(f"Maven could not get Spark's jars:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
        (place / "done").touch()
    return sorted((place / "lib").glob("*.jar"))


def _pom() -> str:
    named = []
    for name, version in PACKAGES.items():
        group, artifact = name.split(":")
        named.append(
            f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
            f"<version>{version}</version>{_ALONE}</dependency>"
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
