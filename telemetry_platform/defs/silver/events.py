"""`silver.events`."""

import dagster as dg
from pyspark.sql import Observation
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.defs.partitions import window_of
from telemetry_platform.defs.resources import LakeResource
from telemetry_platform.defs.silver.event_warnings import event_warning_specs, event_warnings, late_deliveries
from telemetry_platform.defs.tables import check_result, key_of, publish, table_asset
from telemetry_platform.games.registry import Registry
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.layers import Layers
from telemetry_platform.partitions.publishing import Published
from telemetry_platform.partitions.recipes import deliveries, kept_events
from telemetry_platform.quality.audit import GameFault
from telemetry_platform.transforms.silver.events import EVENT, FATES, ID_COLLISION, NATURAL_COPY

TABLE = TABLES["silver.events"]
GAMES_CHECK = "games_can_be_read"
ACCOUNT_CHECK = "every_bronze_row_is_accounted_for"


@table_asset(
    TABLE.name,
    deps=[
        dg.AssetDep(["bronze", "events"]),
        dg.AssetDep(["silver", "unsent_ids"]),
        dg.AssetDep(["silver", "identity_links"]),
    ],
    more_checks=[
        *event_warning_specs(),
        dg.AssetCheckSpec(
            GAMES_CHECK,
            asset=key_of(TABLE),
            description="Every game's registry entry can be read. A game whose entry cannot keeps the rows it has.",
        ),
        dg.AssetCheckSpec(
            ACCOUNT_CHECK,
            asset=key_of(TABLE),
            description="Bronze rows, by its log, are events, natural copies, id collisions and rejects together.",
        ),
    ],
)
def silver_events(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
    """Accepted events, once each."""
    window = window_of(context)
    layers = lake.layers(window)
    counts = Observation()
    found = deliveries(layers, window).observe(
        counts,
        sf.count("*").alias("rows"),
        *(sf.count_if(sf.col("fate") == fate).alias(fate) for fate in FATES),
        late_deliveries(),
    )

    def results(published: Published) -> list[dg.AssetCheckResult]:
        warnings = event_warnings(layers, window, late=counts.get["late"], rows=counts.get["rows"])
        return [games_result(layers.registry), account_result(layers, window, published, counts), *warnings]

    return publish(context, layers, TABLE.name, rows=kept_events(layers, window, found), results=results)


def games_result(registry: Registry) -> dg.AssetCheckResult:
    """Whether every game's entry can be read."""
    faults = [GameFault(fault.game_id, "entry_unreadable", 1, (fault.reason,)) for fault in registry.faults]
    return check_result(TABLE, GAMES_CHECK, faults)


def account_result(layers: Layers, window: Window, published: Published, counts: Observation) -> dg.AssetCheckResult:
    """Compare what Spark read and wrote with what bronze's log says of these event days.

    With a game that keeps the rows it has, what was written cannot be told from what was there: then only what was
    read is compared.
    """
    in_bronze = sum(layers.bronze.rows.get(day, 0) for day in window)
    set_aside = published.audit.rows_set_aside
    found = counts.get
    written = found[EVENT] - set_aside if layers.registry.faults else published.contents.rows
    difference = in_bronze - (written + found[NATURAL_COPY] + found[ID_COLLISION] + set_aside)
    faults = [GameFault(None, "not_accounted_for", abs(difference) or 1, (f"{window}: {difference}",))]
    return check_result(
        TABLE,
        ACCOUNT_CHECK,
        faults if difference or found["rows"] != in_bronze else [],
        bronze_rows=in_bronze,
        events=written,
        natural_copies=found[NATURAL_COPY],
        id_collisions=found[ID_COLLISION],
        rejects=set_aside,
    )
