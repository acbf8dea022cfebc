"""Table properties that say how long Delta keeps a table's past."""

from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.lake.log import open_table, table_path


def log_properties(hours: int) -> dict[str, str]:
    """Properties that keep commits, and the names of files that no newer version needs, for `hours`.

    Delta refuses to forget a commit before the files it took away. The files themselves stay until a VACUUM.
    """
    kept = f"interval {hours} hours"
    return {"delta.logRetentionDuration": kept, "delta.deletedFileRetentionDuration": kept}


def has_properties(lake: str, table: Table, wanted: dict[str, str]) -> bool:
    """Whether the table has them already; a table that does not exist needs none."""
    delta = open_table(lake, table.name)
    return delta is None or wanted.items() <= delta.metadata().configuration.items()


def set_properties(spark: SparkSession, lake: str, table: Table, wanted: dict[str, str]) -> None:
    """Set table properties: a commit of metadata, in which no row changes."""
    listed = ", ".join(f"'{name}' = '{value}'" for name, value in wanted.items())
    spark.sql(f"ALTER TABLE delta.`{table_path(lake, table.name)}` SET TBLPROPERTIES ({listed})")
