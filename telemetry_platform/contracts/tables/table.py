"""The shape every table contract takes."""

from dataclasses import dataclass, field

from pyspark.sql.types import StructType


@dataclass(frozen=True)
class Table:
    """A Delta table: its name, columns, grain, key and partitioning.

    `date_column` is the day a partition stands for; windows are read and replaced by it.
    Column comments live in the StructType's metadata and reach Delta, Dagster and Snowflake.
    """

    name: str
    description: str
    schema: StructType
    keys: tuple[str, ...]
    date_column: str
    partition_by: tuple[str, ...] = field(default=())

    @property
    def stage(self) -> str:
        """Layer the table belongs to: bronze, silver, gold."""
        return self.name.split(".")[0]

    @property
    def short_name(self) -> str:
        """Name without its stage."""
        return self.name.split(".")[1]
