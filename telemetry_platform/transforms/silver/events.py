"""Bronze rows to `silver.events`: each accepted event once."""

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame, WindowSpec
from pyspark.sql import Window as Over
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.events import EVENTS
from telemetry_platform.games.game import Game
from telemetry_platform.transforms.registry import with_is_excluded
from telemetry_platform.transforms.silver.identity_links import with_accounts
from telemetry_platform.transforms.silver.unsent_ids import is_unsent

# What makes two copies the same event: everything the client said but when it sent it.
CONTENT = (
    "event_name",
    "event_version",
    "player_id",
    "device_id",
    "session_id",
    "platform",
    "build_version",
    "country",
    "environment",
    "created_ts",
    "properties",
)

# The order in which copies of an event were received (metrics.md, Duplicate).
_DELIVERY = ("received_ts", "kafka_topic", "kafka_partition", "kafka_offset")

# The default lateness horizon: how far a copy without sent_ts can lie from another.
HORIZON_DAYS = 30


def to_events(
    bronze: DataFrame,
    *,
    start: date,
    end: date,
    games: Mapping[str, Game],
    unsent: DataFrame | None = None,
    links: DataFrame | None = None,
) -> DataFrame:
    """Return events of the days [start, end), once each.

    `bronze` holds the good rows of [start - 1, end + 1), `unsent` the rows of silver.unsent_ids further away, up to
    the horizon on both sides, `links` the identity links of the days before `end`; None when there is none.
    """
    deliveries = with_is_first(bronze, unsent).where(in_days(start, end) & sf.col("is_first"))
    return to_kept_events(deliveries, games, links)


def with_is_first(bronze: DataFrame, unsent: DataFrame | None = None) -> DataFrame:
    """Add `is_first`: no copy of the event that was received earlier is in reach of the row.

    Clients resend what they could not confirm; the first delivery decides on which day the event counts. Each row
    looks one day to either side *of its own day*, and one without `sent_ts` across the horizon: how many days are
    materialized together makes no difference.
    """
    rows = bronze.withColumns({"event_id": sf.lower("event_id"), "is_unsent": is_unsent(), "is_own": sf.lit(True)})
    if unsent is not None:
        looked_up = unsent.withColumns({"is_unsent": sf.lit(True), "is_own": sf.lit(False)})
        rows = rows.unionByName(looked_up, allowMissingColumns=True)
    by_day = Over.partitionBy("game_id", "event_id").orderBy(sf.unix_date("event_date"))
    delivery = sf.struct(*_DELIVERY)
    nearby = sf.min(delivery).over(by_day.rangeBetween(-1, 1))
    far = sf.min(sf.when(sf.col("is_unsent"), delivery)).over(by_day.rangeBetween(-HORIZON_DAYS, HORIZON_DAYS))
    is_first = (nearby == delivery) & (~sf.col("is_unsent") | (far == delivery))
    return rows.withColumn("is_first", is_first).where("is_own").drop("is_own", "is_unsent")


def in_days(start: date, end: date) -> Column:
    """Whether an event's day is in [start, end)."""
    return (sf.col("event_date") >= sf.lit(start)) & (sf.col("event_date") < sf.lit(end))


def to_kept_events(deliveries: DataFrame, games: Mapping[str, Game], links: DataFrame | None = None) -> DataFrame:
    """Return the kept deliveries as events: with the effective player, and whether they enter metrics.

    `links` holds the identity links of all days up to the last of the deliveries; None when there is none. An event
    is excluded for the id it was sent with or for the account that this belongs to.
    """
    named = deliveries.withColumns(
        {
            "sent_player_id": sf.col("player_id"),
            "player_id": sf.coalesce("player_id", "device_id"),
            "clock_corrected": sf.coalesce("clock_corrected", sf.lit(False)),
        }
    )
    found = with_is_excluded(named, games)
    if links is not None:
        is_sent_excluded = found.withColumnRenamed("is_excluded", "is_sent_excluded")
        found = with_is_excluded(with_accounts(is_sent_excluded, links), games)
        found = found.withColumn("is_excluded", sf.col("is_excluded") | sf.col("is_sent_excluded"))
    return found.select(*EVENTS.schema.fieldNames())


def classify_deliveries(bronze: DataFrame) -> DataFrame:
    """Add `delivery`: `kept`, `natural_copy` or `id_collision`.

    Clients resend what they could not confirm, so one event can arrive twice; the first received copy
    is kept. A later copy that says something else under the same id is a collision.
    """
    content = sf.struct(*CONTENT)
    is_same = content.eqNullSafe(sf.first(content).over(_by_delivery()))
    return (
        bronze.withColumn("event_id", sf.lower("event_id"))
        .withColumn("copy_number", sf.row_number().over(_by_delivery()))
        .withColumn("is_same", is_same)
        .withColumn(
            "delivery",
            sf.when(sf.col("copy_number") == 1, "kept")
            .when(sf.col("is_same"), "natural_copy")
            .otherwise("id_collision"),
        )
        .drop("copy_number", "is_same")
    )


def _by_delivery() -> WindowSpec:
    return Over.partitionBy("game_id", "event_id").orderBy(*_DELIVERY)
