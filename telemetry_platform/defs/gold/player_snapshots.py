"""`gold.player_snapshots`."""

import dagster as dg

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.tables import check_result, key_of, publish, table_asset
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.publishing import Published
from telemetry_platform.quality.audit import GameFault

TABLE = TABLES["gold.player_snapshots"]
HISTORY_CHECK = "history_is_materialized"
STALE_CHECK = "later_snapshots_hold"


@table_asset(
    TABLE.name,
    # No dependency on itself in Dagster: it would split a backfill into one run a day (design.md, decision 6).
    deps=[dg.AssetDep(["silver", "player_days"]), dg.AssetDep(["silver", "identity_links"])],
    more_checks=[
        dg.AssetCheckSpec(
            HISTORY_CHECK,
            asset=key_of(TABLE),
            description="Every day with events was materialized. A game with many that were not keeps the rows it has.",
        ),
        dg.AssetCheckSpec(
            STALE_CHECK,
            asset=key_of(TABLE),
            description="No stored snapshot was carried forward from player days that have changed since.",
        ),
    ],
)
def player_snapshots(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Every player's state at the end of each day, carried forward from the newest snapshot that holds."""
    return publish(context, lake.layers(window_of(context)), TABLE.name, results=_results)


def _results(published: Published) -> list[dg.AssetCheckResult]:
    missing = [GameFault(game, "never_materialized", 1, _days(published.missing)) for game in sorted(published.held)]
    stale = [GameFault(None, "stale", len(part), _days([part])) for part in published.stale]
    return [check_result(TABLE, HISTORY_CHECK, missing), check_result(TABLE, STALE_CHECK, stale)]


def _days(parts: tuple[Window, ...] | list[Window]) -> tuple[str, ...]:
    return tuple(map(str, parts[:3]))
