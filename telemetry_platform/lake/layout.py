"""How rows are arranged before they are written: tasks and files by size, not by how many games there are."""

from pyspark.sql import DataFrame

from telemetry_platform.contracts.tables.table import Table

# What one writing task takes of the shuffle, and so the size its file aims at. A row of silver.events takes four to
# five times the room there that it takes in Parquet: these make files of about 30 MB.
TARGET_SHUFFLE_BYTES = 64 * 1024**2

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
