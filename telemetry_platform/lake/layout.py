"""How rows are arranged before they are written: tasks and files by size, not by how many games there are."""

from pyspark.sql import DataFrame

from telemetry_platform.contracts.tables.table import Table

# What one writing task takes of the shuffle, where a row of silver.events takes about twice the room that it takes in
# Parquet: half a million events, written in five seconds, as a file of about 16 MB. Larger ones would leave cores idle
# while a game's day is written; compaction makes large ones of them once the day is closed.
TARGET_SHUFFLE_BYTES = 32 * 1024**2

# Sizes rule, for small partitions too: by default Spark would rather have one task per core than larger ones.
LAYOUT_SETTINGS = {
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": str(TARGET_SHUFFLE_BYTES),
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
}


def laid_out(rows: DataFrame, table: Table) -> DataFrame:
    """Rows of one partition together, a large one split over tasks and files, small ones many to a task.

    Hashing to the partition columns alone makes a big game's day one task and one file, however large it is.
    """
    return rows.hint("rebalance", *table.partition_by)
