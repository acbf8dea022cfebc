"""A table's files read by Spark as what they are, Parquet: which ones is known from the log without a job.

For each table that a query reads, Delta's own reader runs Spark jobs over the whole log, a quarter of a second each
and most of what a small day costs. The rows are the same: what only Delta's reader understands is left to it.
"""

from collections.abc import Collection
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.lake.actions import AddedFile, partition_values_in
from telemetry_platform.lake.growth import in_contract_order
from telemetry_platform.lake.log_folder import LogFolder
from telemetry_platform.lake.snapshot import Days, read_snapshot
from telemetry_platform.lake.window import Window


def read_parquet(
    spark: SparkSession, address: str, table: Table, windows: Collection[Window] | None
) -> DataFrame | None:
    """Read the newest version of the table at `address`, or the days of `windows`, in the contract's columns.

    None when that takes Delta's own reader: there is no table, files have deletion vectors, or lie where their
    partition values do not say. A column that a file does not have is NULL in it.
    """
    if windows is not None and table.date_column not in table.partition_by:
        return None
    folder = LogFolder.at(address)
    days = Days(table.date_column, min(w.start for w in windows), max(w.end for w in windows)) if windows else None
    snapshot = read_snapshot(folder, days, columns=None) if folder is not None else None
    if snapshot is None or not all(_is_plain(file, snapshot.meta_data.partition_columns) for file in snapshot.files):
        return None
    each = [Days.of(table.date_column, window) for window in windows or ()]
    files = [
        f"{address}/{unquote(file.path)}"
        for file in snapshot.files
        if windows is None or any(one.hold(file.partition_values) for one in each)
    ]
    if not files:
        return spark.createDataFrame([], table.schema)
    # Without globbing: a game or a folder may have any name.
    reader = spark.read.schema(table.schema).options(basePath=address, __globPaths__="false")
    return in_contract_order(reader.parquet(*files), table)


def _is_plain(file: AddedFile, columns: Collection[str]) -> bool:
    values = partition_values_in(file.path)
    return (
        file.deletion_vector is None
        and values is not None
        and values.keys() == set(columns)
        and all(file.partition_values[name] == value for name, value in values.items())
    )
