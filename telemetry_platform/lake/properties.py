"""Table properties: how long Delta keeps a table's past, and what it notes of each file."""

from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.lake.log import open_table, table_path


def log_properties(hours: int) -> dict[str, str]:
    """Properties that keep commits, and the names of files that no newer version needs, for `hours`.

    Delta refuses to forget a commit before the files it took away. The files themselves stay until a VACUUM.
    """
    kept = f"interval {hours} hours"
    return {"delta.logRetentionDuration": kept, "delta.deletedFileRetentionDuration": kept}


def noted_properties(table: Table) -> dict[str, str]:
    """Properties that say of which columns each file's least and greatest values are noted.

    In bronze they let readers skip files. Elsewhere only days and games are looked up, which the folders tell:
    comparing every value of every column took two fifths of the time that writing took. Rows are counted anyway.
    """
    if table.stage == "bronze":
        return {"delta.dataSkippingStatsColumns": "event_date,received_ts,kafka_partition,kafka_offset"}
    return {"delta.dataSkippingNumIndexedCols": "0"}


def has_properties(lake: str, table: Table, wanted: dict[str, str]) -> bool:
    """Whether the table has them already; a table that does not exist needs none."""
    delta = open_table(lake, table.name)
    return delta is None or wanted.items() <= delta.metadata().configuration.items()


def set_properties(spark: SparkSession, lake: str, table: Table, wanted: dict[str, str]) -> None:
    """Set table properties: a commit of metadata, in which no row changes."""
    listed = ", ".join(f"'{name}' = '{value}'" for name, value in wanted.items())
    spark.sql(f"ALTER TABLE delta.`{table_path(lake, table.name)}` SET TBLPROPERTIES ({listed})")
