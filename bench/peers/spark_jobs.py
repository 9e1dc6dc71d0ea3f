"""Spark Structured Streaming, `local[2]`, file source of 100,000 lines a file, watermark of 5 s, Parquet sink.

Malformed lines are dropped, as the JSON reader does it by default. Job B has no order between readings of
the same second: Structured Streaming has no line numbers to give one.
"""

from __future__ import annotations

import time

from common import COLUMNS, LATENESS_S, WINDOW_S, Job, arguments, write_summary
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

SCHEMA = "device_id string, timestamp string, sensor string, value double, malformed string"
WHOLE = "device_id is not null and sensor is not null and value is not null and at is not null"


def session() -> SparkSession:
    """A quiet local session."""
    options = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": "6g",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.adaptive.enabled": "false",
    }
    builder = SparkSession.builder.master("local[2]").appName("bench")
    for name, value in options.items():
        builder = builder.config(name, value)
    made = builder.getOrCreate()
    made.sparkContext.setLogLevel("ERROR")
    return made


def events(spark: SparkSession, job: Job) -> DataFrame:
    """Valid messages with their event time."""
    reader = spark.readStream.schema(SCHEMA).option("columnNameOfCorruptRecord", "malformed")
    raw = reader.option("maxFilesPerTrigger", job.files).option("mode", "PERMISSIVE").json(str(job.parts))
    at = F.try_to_timestamp(F.col("timestamp"), F.lit("yyyy-MM-dd'T'HH:mm:ssX")).alias("at")
    return raw.select("device_id", "sensor", "value", at).where(WHOLE).withWatermark("at", f"{LATENESS_S} seconds")


def result(spark: SparkSession, job: Job) -> DataFrame:
    """The streaming query of the job."""
    rows = events(spark, job)
    if job.job == "B":
        latest = F.max_by(F.struct("at", "value"), "at").alias("latest")
        grouped = rows.groupBy("device_id", "sensor").agg(latest)
        return grouped.select("device_id", "sensor", F.col("latest.at").alias("timestamp"), "latest.value")
    key = "device_id"
    if job.job == "C":
        devices = spark.read.csv(str(job.devices), header=True)
        rows, key = rows.join(F.broadcast(devices), "device_id"), "region"
    grouped = rows.groupBy(F.window("at", f"{WINDOW_S} seconds").alias("window"), key, "sensor").agg(
        F.count("*").alias("count"),
        F.avg("value").alias("average"),
        F.min("value").alias("minimum"),
        F.max("value").alias("maximum"),
    )
    return grouped.withColumn("window_start", F.col("window.start")).select(*COLUMNS[job.job])


def keep_newest(spark: SparkSession, job: Job) -> None:
    """Job B's updates of all batches as one row per key. Not timed: a real sink would have replaced rows."""
    updates = spark.read.parquet(str(job.out / "updates" / "*"))
    newest = F.max_by(F.struct("timestamp", "value"), "batch").alias("newest")
    rows = updates.groupBy("device_id", "sensor").agg(newest).select("device_id", "sensor", "newest.*")
    rows.write.parquet(str(job.out / "rows"))


def main() -> None:
    job = arguments(lambda parser: parser.add_argument("--files", type=int, default=10, help="files per trigger"))
    spark = session()
    query = result(spark, job)
    began = time.perf_counter()
    if job.job == "B":
        updates = job.out / "updates"
        writer = query.writeStream.outputMode("update").foreachBatch(
            lambda rows, batch: rows.withColumn("batch", F.lit(batch)).write.parquet(str(updates / str(batch)))
        )
    else:
        writer = query.writeStream.outputMode("append").format("parquet").option("path", str(job.out / "rows"))
    checkpoint = str(job.out / "checkpoint")
    writer.option("checkpointLocation", checkpoint).trigger(availableNow=True).start().awaitTermination()
    write_summary(job, began=began, ended=time.perf_counter(), rejects=None)
    if job.job == "B":
        keep_newest(spark, job)
    spark.stop()


if __name__ == "__main__":
    main()
