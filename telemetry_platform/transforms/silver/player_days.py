"""Events, sessions and money to `silver.player_days`: what a player did on a day."""

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.contracts.amounts import COUNTED
from telemetry_platform.contracts.tables.player_days import PLAYER_DAYS
from telemetry_platform.transforms.silver.sessions import counts_as_activity

_PLAYER_DAY = ("event_date", "game_id", "player_id")
_LAST_VALUES = ("platform", "country", "build_version")


def to_player_days(
    events: DataFrame,
    sessions: DataFrame,
    purchases: DataFrame,
    ad_impressions: DataFrame,
    *,
    start: date,
    end: date,
    closed_through: date,
) -> DataFrame:
    """Return one row per player and day of [start, end) with any event that is not excluded.

    `events`, `sessions`, `purchases` and `ad_impressions` hold the rows of their tables of these days.
    """
    facts = (
        _activity(events)
        .unionByName(_playtime(sessions), allowMissingColumns=True)
        .unionByName(_payments(purchases), allowMissingColumns=True)
        .unionByName(_ads(ad_impressions), allowMissingColumns=True)
        .where((sf.col("event_date") >= sf.lit(start)) & (sf.col("event_date") < sf.lit(end)))
    )
    # Texts among the results make Spark sort: the hash tells two players apart with one comparison of numbers.
    hash_of_player = sf.xxhash64("player_id", "game_id").alias("hash_of_player")
    return (
        facts.groupBy(hash_of_player, *_PLAYER_DAY)
        .agg(*_totals())
        .withColumn("is_open", sf.col("has_open_session") | (sf.col("event_date") > sf.lit(closed_through)))
        .select("*", "last_values.*")
        .select(*PLAYER_DAYS.schema.fieldNames())
    )


def _activity(events: DataFrame) -> DataFrame:
    """Return a row per event that is not excluded."""
    # What a server sends about a player does not say where the player is (metrics.md, Segment).
    values = sf.when(counts_as_activity(), sf.struct("event_ts", "event_id", *_LAST_VALUES))
    return events.where(~sf.col("is_excluded")).select(
        *_PLAYER_DAY,
        counts_as_activity().alias("is_active"),
        sf.lit(1).alias("event_count"),
        *(_is_named(name).alias(name) for name in ("install", "level_completed", "level_failed")),
        values.alias("last_values"),
    )


def _is_named(name: str) -> Column:
    return (sf.col("event_name") == name).cast("int")


def _playtime(sessions: DataFrame) -> DataFrame:
    """Return a row per session; whole microseconds, so that sums do not depend on their order."""
    return sessions.select(
        sf.col("session_date").alias("event_date"),
        "game_id",
        "player_id",
        sf.lit(1).alias("session_count"),
        sf.col("is_open").alias("has_open_session"),
        (sf.unix_micros("ended_ts") - sf.unix_micros("started_ts")).alias("playtime_micros"),
    )


def _payments(purchases: DataFrame) -> DataFrame:
    """Return a row per counted purchase and refund, with its amount where it belongs.

    Amounts are bounded, and so many fit into a sum that one which does not is made up: it becomes NULL.
    """
    amount = sf.col("amount")
    is_purchase = sf.col("kind") == "purchase"
    return purchases.where(sf.col("status") == COUNTED).select(
        *_PLAYER_DAY,
        is_purchase.cast("int").alias("purchase_count"),
        amount.alias("iap"),
        sf.when(is_purchase & (sf.col("receipt_status") == "unverified"), amount).alias("unverified"),
        sf.when(sf.col("kind") == "refund", -amount).alias("refunded"),
    )


def _ads(ad_impressions: DataFrame) -> DataFrame:
    """Return a row per ad impression; one that is not counted was shown all the same."""
    return ad_impressions.select(*_PLAYER_DAY, sf.lit(1).alias("ad_impression"), sf.col("amount").alias("ads"))


def _totals() -> list[Column]:
    totals = {
        "has_install": _sum("install") > 0,
        "session_count": _sum("session_count"),
        "playtime_seconds": _sum("playtime_micros") / sf.lit(1e6),
        "event_count": _sum("event_count"),
        "purchase_count": _sum("purchase_count"),
        "iap_revenue": _sum("iap"),
        "iap_revenue_unverified": _sum("unverified"),
        "refunds": _sum("refunded"),
        "ad_revenue": _sum("ads"),
        "ad_impressions": _sum("ad_impression"),
        "levels_completed": _sum("level_completed"),
        "levels_failed": _sum("level_failed"),
    }
    return [
        sf.coalesce(sf.bool_or("is_active"), sf.lit(False)).alias("is_active"),
        sf.coalesce(sf.bool_or("has_open_session"), sf.lit(False)).alias("has_open_session"),
        *(total.alias(name) for name, total in totals.items()),
        # The struct begins with event_ts: the greatest one is the last event's.
        sf.max("last_values").alias("last_values"),
    ]


def _sum(name: str) -> Column:
    return sf.coalesce(sf.sum(name), sf.lit(0))
