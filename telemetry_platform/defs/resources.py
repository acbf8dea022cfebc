"""What assets are handed: the lake, the games, the warehouse. Built from settings, opened at first use."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster_pyspark import LazyPySparkResource
from dagster_snowflake import SnowflakeResource
from pydantic import PrivateAttr

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.lake.log import read_window
from telemetry_platform.lake.session import build_session, spark_settings, workload_of
from telemetry_platform.lake.tables import Lake
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.layers import Layers
from telemetry_platform.partitions.runs import open_layers
from telemetry_platform.settings import current_settings
from telemetry_platform.warehouse.connection import additional_arguments, connection_arguments
from telemetry_platform.warehouse.sync import Snapshot, sync


class LakeResource(dg.ConfigurableResource):
    """Delta tables through one Spark session a process, started when first asked for."""

    pyspark: dg.ResourceDependency[LazyPySparkResource]
    _layers: Layers | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Let a run see bronze and the registry as they are when it first asks, and so to its end."""
        self._layers = None

    def open(self, rows: int = 0) -> Lake:
        """The lake of this process's settings, for about so many rows; raises LakeError when the jars are missing."""
        settings = current_settings()
        # Before dagster-pyspark's own start, which knows nothing of the rows: it takes the session that is there.
        build_session(settings, workload_of(rows), app_name="telemetry")
        return Lake(settings.lake, self.pyspark.spark_session)

    def layers(self, window: Window) -> Layers:
        """The tables as a run of `window` sees them; raises LakeError when the jars or the bronze table are missing."""
        if self._layers is None:
            self._layers = open_layers(current_settings(), self.open, window, datetime.now(UTC))
        return self._layers


class WarehouseResource(dg.ConfigurableResource):
    """Snowflake through dagster-snowflake's resource: the account, or the local stand-in."""

    snowflake: dg.ResourceDependency[SnowflakeResource]

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        # get_connection has no try/finally of its own: an error would leave the session open.
        with self.snowflake.get_connection() as connection:
            try:
                yield connection
            finally:
                connection.close()

    def copy_window(self, table: Table, window: Window) -> dict[str, int]:
        """Make the warehouse's window equal the lake's; returns the Delta version and the rows."""
        settings = current_settings()
        version, batches = read_window(settings.lake, table, window)
        with self._connection() as connection:
            there = sync(connection, settings.warehouse.database, Snapshot(table, window, version, batches))
        return {"delta_version": version, "rows": there}


@dg.definitions
def resources() -> dg.Definitions:
    """Resources of every asset; creating them opens nothing."""
    settings = current_settings()
    pyspark = LazyPySparkResource(spark_config=spark_settings(settings, "batch"))
    snowflake = SnowflakeResource(
        **connection_arguments(settings.warehouse),
        additional_snowflake_connection_args=additional_arguments(settings.warehouse),
    )
    return dg.Definitions(
        resources={
            "lake": LakeResource(pyspark=pyspark),
            "warehouse": WarehouseResource(snowflake=snowflake),
        }
    )
