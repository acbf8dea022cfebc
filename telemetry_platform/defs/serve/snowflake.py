"""Copies of silver and gold in Snowflake, one asset a table."""

import dagster as dg

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.defs import freshness
from telemetry_platform.defs.partitions import daily, whole_range, window_of
from telemetry_platform.defs.resources import WarehouseResource
from telemetry_platform.defs.tables import column_schema, key_of

SERVED = ("silver.events", "silver.sessions", "silver.player_days", "gold.player_snapshots", "gold.daily_kpis")


def copy_of(table: Table) -> dg.AssetsDefinition:
    """Asset that makes a window in Snowflake equal the same window in the lake."""

    @dg.asset(
        key=["serve", table.short_name],
        deps=[key_of(table)],
        description=f"Copy of {table.name} for SQL consumers. {table.description}",
        partitions_def=daily,
        backfill_policy=whole_range,
        group_name="serve",
        kinds={"snowflake"},
        owners=["team:data"],
        pool=f"warehouse_{table.stage}_{table.short_name}",
        freshness_policy=freshness.daily_table,
        metadata={
            "dagster/table_name": f"TELEMETRY.{table.name.upper()}",
            "dagster/column_schema": column_schema(table),
        },
    )
    def copy(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata=warehouse.copy_window(table, window_of(context)))

    return copy


copies = [copy_of(TABLES[name]) for name in SERVED]
