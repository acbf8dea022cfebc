"""Reading and replacing windows of Delta tables; the contract decides what may be written."""

from collections.abc import Collection
from dataclasses import dataclass

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.contracts.tables.bronze_events import BRONZE_EVENTS
from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.lake.growth import grow, in_contract_order
from telemetry_platform.lake.layout import laid_out
from telemetry_platform.lake.lease import lease
from telemetry_platform.lake.lease_store import Lease
from telemetry_platform.lake.log import Contents, contents, exists, state_of, table_path
from telemetry_platform.lake.parquet import read_parquet
from telemetry_platform.lake.properties import noted_properties
from telemetry_platform.lake.window import Window
from telemetry_platform.quality.audit import SHARES_KEY, Audit, AuditedRows


@dataclass(frozen=True)
class Lake:
    """The Delta tables under one root, read and written through one Spark session."""

    root: str
    spark: SparkSession

    def read(self, name: str, windows: Collection[Window] | None = None) -> DataFrame:
        """Read a table, or the days of `windows`; one never written reads as empty: whoever needs it asks for it.

        The contract's columns come back in its order, whatever the table has more, and NULL for those it has not yet.
        """
        table = TABLES[name]
        if not exists(self.root, name) or (windows is not None and not windows):
            return self.spark.createDataFrame([], table.schema)
        path = table_path(self.root, name)
        if (plain := read_parquet(self.spark, path, table, windows)) is not None:
            return plain
        frame = self.spark.read.format("delta").load(path)
        if windows is not None:
            frame = frame.where(" OR ".join(f"({_within(window, table)})" for window in windows))
        return in_contract_order(frame, table)

    def read_bronze(self, window: Window, *, version: int) -> DataFrame:
        """Read the good bronze rows whose event day lies in `window`, whenever received, as of `version`.

        On-time rows of day D were received on D or D+1; late and imported ones on any day from D on.
        """
        received = f"received_date >= DATE'{window.start}'"
        on_time = f"arrival = 'on_time' AND received_date <= DATE'{window.end}'"
        return self._bronze(version).where(
            f"{window.predicate('event_date')} AND {received} AND (arrival IN ('late', 'imported') OR ({on_time}))"
        )

    def read_refused(self, window: Window, *, version: int) -> DataFrame:
        """Read the bronze rows with an error that were received in `window`, as of `version`."""
        return self._bronze(version).where(f"{window.predicate('received_date')} AND error_type IS NOT NULL")

    def _bronze(self, version: int) -> DataFrame:
        return (
            self.spark.read.format("delta")
            .option("versionAsOf", version)
            .load(table_path(self.root, BRONZE_EVENTS.name))
            .transform(in_contract_order, BRONZE_EVENTS)
        )

    def replace(
        self, name: str, rows: DataFrame, window: Window, *, without_games: Collection[str] = ()
    ) -> tuple[Contents, Audit]:
        """Replace the days of `window` by `rows`, in one commit; what the window now holds, and what was set aside.

        Rows that break a rule of the table are not written. The rows of `without_games`, old and new, are left
        alone. Delta refuses rows outside the window: the write predicate is the read predicate.
        Raises TableBusy when another process writes to the table.
        """
        with lease(self.root, name, owner=f"replacing {window}") as held:
            return self._replace(held, TABLES[name], rows, window, without_games)

    def _replace(
        self, held: Lease, table: Table, rows: DataFrame, window: Window, without_games: Collection[str]
    ) -> tuple[Contents, Audit]:
        self.ensure(table)
        predicate = _within(window, table)
        if without_games:
            named = ", ".join(_quoted(game) for game in sorted(without_games))
            others = f"(game_id IS NULL OR game_id NOT IN ({named}))"
            rows, predicate = rows.where(others), f"{predicate} AND {others}"
        audited = AuditedRows(conform(rows, table), table)
        held.check()
        (
            laid_out(audited.accepted, table)
            .write.format("delta")
            .mode("overwrite")
            .option("replaceWhere", predicate)
            .save(table_path(self.root, table.name))
        )
        return contents(self.root, table, window), audited.audit()

    def ensure(self, table: Table) -> None:
        """Create the table as its contract says when it is not there, or add the columns the contract has gained.

        Raises LakeError, with nothing touched, when the two differ in any other way.
        """
        existing = state_of(self.root, table.name)
        if existing is not None:
            grow(self.spark, table_path(self.root, table.name), existing.meta_data, table)
            return
        builder = (
            DeltaTable.createIfNotExists(self.spark)
            .location(table_path(self.root, table.name))
            .comment(table.description)
            .addColumns(table.schema)
            .partitionedBy(*table.partition_by)
        )
        for name, value in noted_properties(table).items():
            builder = builder.property(name, value)
        builder.execute()


def conform(rows: DataFrame, table: Table) -> DataFrame:
    """Select and cast the contract's columns, in its order; a missing one is an error.

    A value that its column cannot hold becomes NULL, for the audit to find, and costs nobody else's rows. What the
    rows say of their keys (AuditedRows) stays.
    """
    return rows.select(
        *(sf.col(field.name).try_cast(field.dataType).alias(field.name) for field in table.schema.fields),
        *(name for name in rows.columns if name == SHARES_KEY),
    )


def _within(window: Window, table: Table) -> str:
    return window.predicate(table.date_column, table.other_date_column)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
