"""What the assets of money have in common: how many rows count, and which were left out, game by game."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import dagster as dg
from pyspark.sql import Observation
from pyspark.sql import functions as sf

from telemetry_platform.contracts.amounts import COUNTED, LOST_STATUSES
from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.tables import check_result, key_of, publish, table_asset
from telemetry_platform.partitions.layers import Layers
from telemetry_platform.partitions.publishing import Published
from telemetry_platform.partitions.recipes import RECIPES
from telemetry_platform.quality.audit import GameFault, faults_by_game

MONEY_CHECK = "money_is_counted"


def money_asset(name: str, *, deps: Sequence[dg.AssetDep]) -> Callable[[Callable[..., Any]], Any]:
    """Decorate the function that materializes a table of money."""
    return table_asset(
        name,
        deps=deps,
        more_checks=[
            dg.AssetCheckSpec(
                MONEY_CHECK,
                asset=key_of(TABLES[name]),
                description="No row was left out for its amount or for want of a rate, as copies and forgeries are.",
            )
        ],
    )


def publish_money(
    context: dg.AssetExecutionContext, layers: Layers, table: str, statuses: Sequence[str]
) -> dg.MaterializeResult:
    """Materialize the run's days, and report the rows of each status, and those that are not counted by game.

    The statuses are counted by the job that writes. Only where a row is not counted is the table looked at for games
    and examples.
    """
    window, counts = window_of(context), Observation()
    rows = RECIPES[table](layers, window).observe(
        counts, *(sf.count_if(sf.col("status") == status).alias(status) for status in statuses)
    )

    @cache
    def not_counted() -> tuple[GameFault, ...]:
        if not any(rows for status, rows in counts.get.items() if status != COUNTED):
            return ()
        left_out = layers.lake.read(table, [window]).where(sf.col("status") != COUNTED)
        return faults_by_game(left_out, rule="status", keys=("event_id",))

    def results(_: Published) -> list[dg.AssetCheckResult]:
        lost = [fault for fault in not_counted() if fault.rule in LOST_STATUSES]
        warning = dg.AssetCheckSeverity.WARN
        return [check_result(TABLES[table], MONEY_CHECK, lost, severity=warning, **counts.get)]

    published = publish(context, layers, table, rows=rows, results=results)
    by_game: dict[str, dict[str, int]] = {}
    for fault in not_counted():
        by_game.setdefault(fault.game_id or "", {})[fault.rule] = fault.rows
    more = {"rows_by_status": counts.get, "not_counted_by_game": by_game}
    return published._replace(metadata={**(published.metadata or {}), **more})
