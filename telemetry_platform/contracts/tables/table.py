"""The shape every table contract takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyspark.sql.types import StructType


@dataclass(frozen=True)
class Table:
    """A Delta table: its name, columns, grain, key and partitioning.

    `date_column` is the day a partition stands for; windows are read and replaced by it. Rows that have none there
    have it in `other_date_column`: each day owns rows of two kinds.
    Column comments live in the StructType's metadata and reach Delta, Dagster and Snowflake.
    """

    name: str
    description: str
    schema: StructType
    keys: tuple[str, ...]
    date_column: str
    partition_by: tuple[str, ...] = field(default=())
    other_date_column: str | None = None

    @property
    def stage(self) -> str:
        """Layer the table belongs to: bronze, silver, gold."""
        return self.name.split(".")[0]

    def day_of(self, partition: Mapping[str, str | None]) -> str | None:
        """Day that the rows of a partition belong to, from its values."""
        day = partition.get(self.date_column)
        return day if day or self.other_date_column is None else partition.get(self.other_date_column)

    @property
    def short_name(self) -> str:
        """Name without its stage."""
        return self.name.split(".")[1]
