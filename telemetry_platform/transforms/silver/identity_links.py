"""Accepted events to `silver.identity_links`: which account an id belongs to."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.identity_links import IDENTITY_LINKS

IDENTIFY = "identify"

_ID = ("game_id", "device_or_guest_id")


def to_identity_links(events: DataFrame, earlier: DataFrame | None = None) -> DataFrame:
    """Return the links of the days of `events`: of each id that has none in `earlier`, the links of all days before.

    `events` holds the accepted `identify` events of the days; others are passed over. `earlier` is None when there is
    none. The first day on which an account is named for an id decides. Within a day an id that is itself named as an
    account is one, whoever else claims it, since two accounts never merge; else the first event decides, by
    (`event_ts`, `event_id`).
    """
    first = sf.min(sf.struct("valid_from_date", "rank", "event_ts", "event_id", "account_id"))
    links = _claims(events).groupBy(*_ID).agg(first.alias("first"))
    if earlier is not None:
        links = links.join(earlier, [*_ID], "left_anti")
    return links.select("*", "first.*").select(*IDENTITY_LINKS.schema.fieldNames())


def with_accounts(events: DataFrame, links: DataFrame) -> DataFrame:
    """Replace `player_id` by the account it belongs to on the event's day.

    Spark broadcasts few links, and joins many as they are: which it is depends on the size of the table.
    """
    linked = links.where("device_or_guest_id <> account_id").select(
        "game_id", sf.col("device_or_guest_id").alias("player_id"), "account_id", "valid_from_date"
    )
    account = sf.when(sf.col("valid_from_date") <= sf.col("event_date"), sf.col("account_id"))
    return (
        events.join(linked, ["game_id", "player_id"], "left")
        .withColumn("player_id", sf.coalesce(account, "player_id"))
        .drop("account_id", "valid_from_date")
    )


def _claims(events: DataFrame) -> DataFrame:
    """Return a row per event and id that the event claims for an account: the account's own id first."""
    claimed = sf.array(
        *(
            sf.struct(sf.lit(rank).alias("rank"), id_.alias("device_or_guest_id"))
            for rank, id_ in ((0, sf.col("account_id")), (1, sf.col("sent_player_id")), (1, sf.col("device_id")))
        )
    )
    return (
        events.where((sf.col("event_name") == IDENTIFY) & ~sf.col("is_excluded"))
        .withColumn("account_id", sf.get_json_object("properties", "$.account_id"))
        .where("account_id IS NOT NULL")
        .select(
            "game_id",
            sf.col("event_date").alias("valid_from_date"),
            "event_ts",
            "event_id",
            "account_id",
            sf.inline(claimed),
        )
        .where("device_or_guest_id IS NOT NULL")
    )
