"""The Spark session: the only place that knows its settings."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from pyspark.sql import SparkSession

from telemetry_platform.errors import LakeError
from telemetry_platform.jvm import LOCALE, Compilation, jvm_options
from telemetry_platform.lake.layout import LAYOUT_SETTINGS
from telemetry_platform.settings import Settings, use_this_python_for_spark

Workload = Literal["batch", "bulk", "stream"]

_COMPILATION: dict[Workload, Compilation] = {"batch": "quick", "bulk": "hot", "stream": "full"}

# From so many bronze rows on a run is a bulk of work: measured with benchmarks/daily, see its README.
BULK_ROWS = 1_000_000


def spark_settings(settings: Settings, workload: Workload) -> dict[str, str]:
    """Spark configuration for `workload`; needs no file and starts nothing."""
    return {
        "spark.master": settings.spark_master,
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraClassPath": f"{settings.jars_dir}/spark/*",
        "spark.driver.extraJavaOptions": " ".join(jvm_options(_COMPILATION[workload])),
        "spark.executor.extraJavaOptions": " ".join(LOCALE),
        "spark.log.level": "ERROR",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.pyspark.python": sys.executable,
        "spark.sql.warehouse.dir": str(settings.home / "spark-warehouse"),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(settings.spark_shuffle_partitions),
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.maxConcurrentOutputFileWriters": "16",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.sql.files.maxPartitionBytes": str(READ_BYTES),
        # Every query's plan is written out for Spark's own pages, again with each stage that ends. In full it took a
        # fifth of what planning takes.
        "spark.sql.ui.explainMode": "simple",
        # A run has more than a hundred pieces of generated code, the default: each would push out another's, and
        # Delta's own are needed again with every table.
        "spark.sql.codegen.cache.maxEntries": "5000",
        # Off, a Column costs one call to the JVM instead of three. What is lost is the line in analysis errors.
        "spark.python.sql.dataFrameDebugging.enabled": "false",
        # A query that turns out to be empty would lose what is observed in it (quality/audit.py), and 0 with it.
        "spark.sql.adaptive.optimizer.excludedRules": (
            "org.apache.spark.sql.execution.adaptive.AQEPropagateEmptyRelation"
        ),
        "spark.databricks.delta.schema.autoMerge.enabled": "false",
        # Two threads of one process commit to one table (streaming/bronze_upkeep.py): on a local disk only this lock
        # keeps one commit from taking the other's place.
        "spark.databricks.delta.commitLock.enabled": "true",
        "spark.scheduler.mode": "FAIR" if workload == "stream" else "FIFO",
        **LAYOUT_SETTINGS,
        **_LOCAL_FILES,
    }


# Without Hadoop's native library each permission call on a local file forks a process, 10-15 ms every time:
# this file system does not ask, and checkpoints written through it commit in 2 ms instead of 50.
_LOCAL_FILES = {
    "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
    "spark.sql.streaming.checkpointFileManagerClass": (
        "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
    ),
    "spark.sql.streaming.checkpoint.fileChecksum.enabled": "false",
}


# So many rows are done before the code that would be generated for them is compiled: benchmarks/daily/README.md.
INTERPRETED_ROWS = 20_000

_INTERPRETED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}

# So many rows of events a task can sort in the memory it has, without writing them to disk half-way, whether they
# come from other tasks or from a part of that many bytes of a file.
SORTED_ROWS = 250_000
READ_BYTES = 16 * 1024**2

# Up to here Spark writes each straight to its file, without a sort.
MOST_PARTITIONS = 200

_PARTITIONS = "spark.sql.shuffle.partitions"


@contextmanager
def suited_to(spark: SparkSession, rows: int) -> Iterator[None]:
    """Plan what is executed within for about so many rows: few are interpreted, many are worth generated code.

    Every table has other expressions, so that code generated for one is of no use to the next.
    """
    before = {name: spark.conf.get(name, None) for name in (*_INTERPRETED, _PARTITIONS)}
    _set(spark, _INTERPRETED if rows <= INTERPRETED_ROWS else dict.fromkeys(_INTERPRETED))
    _set(spark, {_PARTITIONS: str(max(int(before[_PARTITIONS] or 1), min(rows // SORTED_ROWS, MOST_PARTITIONS)))})
    try:
        yield
    finally:
        _set(spark, before)


def _set(spark: SparkSession, settings: Mapping[str, str | None]) -> None:
    for name, value in settings.items():
        if value is None:
            spark.conf.unset(name)
        else:
            spark.conf.set(name, value)


def workload_of(rows: int) -> Workload:
    """What to start a session for that is about to compute so many rows."""
    return "batch" if rows < BULK_ROWS else "bulk"


def build_session(settings: Settings, workload: Workload, *, app_name: str) -> SparkSession:
    """Start a session, or return the one this process already has."""
    require_jars(settings)
    use_this_python_for_spark()
    builder = SparkSession.builder.appName(app_name)  # noqa: TID251 - the one place
    for name, value in spark_settings(settings, workload).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def require_jars(settings: Settings) -> None:
    """Refuse to start a JVM that could not find Delta; raises LakeError."""
    if not any((settings.jars_dir / "spark").glob("delta-spark_*.jar")):
        raise LakeError(f"The Spark jars are not in {settings.jars_dir}: run `make setup` to fetch them.")
