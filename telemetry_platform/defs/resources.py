"""What assets are handed: the lake, the games, the warehouse. Built from settings, opened at first use."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster_pyspark import LazyPySparkResource
from dagster_snowflake import SnowflakeResource

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.games.game import Game
from telemetry_platform.games.registry import EntryFault, load_games
from telemetry_platform.lake.log import read_window
from telemetry_platform.lake.session import require_jars, spark_settings
from telemetry_platform.lake.tables import Lake
from telemetry_platform.lake.window import Window
from telemetry_platform.settings import current_settings
from telemetry_platform.warehouse.connection import additional_arguments, connection_arguments
from telemetry_platform.warehouse.sync import Snapshot, sync


class LakeResource(dg.ConfigurableResource):
    """Delta tables through one Spark session a process, started when first asked for."""

    pyspark: dg.ResourceDependency[LazyPySparkResource]

    def open(self) -> Lake:
        """The lake of this process's settings; raises LakeError when the jars are missing."""
        settings = current_settings()
        require_jars(settings)
        return Lake(settings.lake, self.pyspark.spark_session)


class GamesResource(dg.ConfigurableResource):
    """The registry of games, read anew by each run."""

    def load(self) -> dict[str, Game]:
        """Every registered game whose entry can be read, by id."""
        return load_games(current_settings().games_dir).games


def unreadable_games() -> tuple[EntryFault, ...]:
    """Return the registry entries that cannot be read now, for what has no resource at hand."""
    return load_games(current_settings().games_dir).faults


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
        version, rows = read_window(settings.lake, table, window)
        with self._connection() as connection:
            there = sync(connection, settings.warehouse.database, Snapshot(table, window, version, rows))
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
            "games": GamesResource(),
            "warehouse": WarehouseResource(snowflake=snowflake),
        }
    )
