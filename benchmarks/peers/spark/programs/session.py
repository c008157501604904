"""What the two queries on Spark share: the task, the session, the source and the sink."""

import json
import os
import sys
from typing import Any

from pyspark.sql import DataFrame, SparkSession

#: See :class:`benchmarks.peers.spark.tasks.Task`.
TASK: dict[str, Any] = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}

SCORED = "window_start timestamp, id string, score double, rows int"


def session(**options: str) -> SparkSession:
    """A session on the cores of the task. ``options``: more settings, with ``__`` in place of dots."""
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    builder = (
        SparkSession.builder.master(f"local[{TASK['cores']}]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", str(TASK["cores"]))
        .config("spark.driver.memory", "4g")
    )
    for name, value in options.items():
        builder = builder.config(name.replace("__", "."), value)
    return builder.getOrCreate()


def events(spark: SparkSession) -> DataFrame:
    """The stream: a folder that gets files of JSON lines."""
    return (
        spark.readStream.schema("id string, ts timestamp, text string")
        .option("maxFilesPerTrigger", TASK["files_a_batch"])
        .json(TASK["input"])
    )


def run(scored: DataFrame) -> None:
    """Write the scores to a folder until this process is stopped."""
    query = (
        scored.writeStream.format("json")
        .option("path", TASK["output"])
        .option("checkpointLocation", TASK["checkpoint"])
        .outputMode("append")
        .start()
    )
    query.awaitTermination()
