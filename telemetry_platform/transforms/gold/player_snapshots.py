"""Player days to `gold.player_snapshots`: every player's state at the end of each day."""

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.player_snapshots import PLAYER_SNAPSHOTS
from telemetry_platform.transforms.gold.merged_players import (
    BITMAP_DAYS,
    STATE,
    TIMELINE,
    linked_ids,
    with_links,
    with_merged_accounts,
)

_VALUES = ("platform", "country", "build_version")
_CARRIED = ("event_date", "game_id", "player_id", "is_active", "purchase_count", "iap_revenue", "ad_revenue", *_VALUES)


def to_player_snapshots(
    previous: DataFrame, player_days: DataFrame, *, start: date, end: date, links: DataFrame | None = None
) -> DataFrame:
    """Return the state of every player seen so far, for each day of [start, end).

    `previous` holds the snapshots of one earlier day S, or nothing; `player_days` the days (S, end), or
    all days before `end`; `links` the identity links of the same days, None when there is none. A player
    who only has refunds or server events so far has a row with `first_seen_date` NULL, so that the money
    is not lost once the player becomes active.
    """
    changes = _from_previous(previous).unionByName(
        _from_player_days(player_days.where(sf.col("event_date") < sf.lit(end))), allowMissingColumns=True
    )
    states = _states(changes.withColumn("is_later", sf.lit(False))) if links is None else _merged(changes, links)
    return _each_day(states, start=start, end=end).select(*_columns())


def _merged(changes: DataFrame, links: DataFrame) -> DataFrame:
    """Return the states of all players; those that links are about take a way of their own.

    They are few: all others would have to be sorted once more to pass by them.
    """
    linked, player = linked_ids(links), ["game_id", "player_id"]
    involved = with_links(changes.join(linked, player, "left_semi"), links)
    others = changes.join(linked, player, "left_anti").withColumn("is_later", sf.lit(False))
    return _states(others).select(*STATE).unionByName(with_merged_accounts(_states(involved)).select(*STATE))


def _states(changes: DataFrame) -> DataFrame:
    """Return the state of each player after each of the changes."""
    return _with_bitmaps(_with_running_totals(changes))


def to_fingerprints(player_days: DataFrame) -> DataFrame:
    """Return `event_date`, `game_id` and `fingerprint`: of what snapshots take from a game's player days of a day.

    The order of rows makes no difference, and the day is part of each row's hash.
    """
    return player_days.groupBy("event_date", "game_id").agg(sf.bit_xor(sf.xxhash64(*_CARRIED)).alias("fingerprint"))


def _from_previous(previous: DataFrame) -> DataFrame:
    """Turn snapshots into rows of the same shape as player days, which carry the totals so far."""
    was_seen = sf.col("first_seen_date").isNotNull()
    purchase_days = sf.when(sf.col("first_purchase_date").isNotNull(), sf.col("frequency") + 1)
    seen_days = sf.datediff("snapshot_date", "first_seen_date") + 1
    return previous.select(
        "game_id",
        "player_id",
        sf.col("snapshot_date").alias("day"),
        "first_seen_date",
        "last_seen_date",
        "active_days",
        "first_purchase_date",
        "last_purchase_date",
        sf.col("lifetime_revenue").alias("revenue"),
        sf.col("lifetime_purchases").alias("purchases"),
        purchase_days.alias("purchase_days"),
        sf.lit(None).cast("decimal(18,6)").alias("purchase_day_revenue"),
        "first_purchase_revenue",
        sf.col("lifetime_revenue").isNull().alias("is_unfit"),
        sf.col("repeat_purchase_revenue").isNull().alias("is_repeat_unfit"),
        sf.col("repeat_purchase_revenue").alias("repeat_revenue"),
        sf.when(was_seen, sf.struct(*(sf.col(f"first_{name}").alias(name) for name in _VALUES))).alias("first_values"),
        sf.when(was_seen, sf.struct(*(sf.col(f"last_{name}").alias(name) for name in _VALUES))).alias("last_values"),
        # The bitmap's first character is the newest day; the history is built oldest day first.
        sf.reverse("activity_last_91").alias("history"),
        sf.when(was_seen, sf.left("activity_first_91", sf.least(seen_days, sf.lit(BITMAP_DAYS)))).alias("beginning"),
    )


def _from_player_days(player_days: DataFrame) -> DataFrame:
    active_day = sf.when(sf.col("is_active"), sf.col("event_date"))
    purchase_day = sf.when(sf.col("purchase_count") > 0, sf.col("event_date"))
    revenue = (sf.col("iap_revenue") + sf.col("ad_revenue")).try_cast("decimal(18,6)")
    values = sf.when(sf.col("is_active"), sf.struct(*_VALUES))
    return player_days.select(
        "game_id",
        "player_id",
        sf.col("event_date").alias("day"),
        active_day.alias("first_seen_date"),
        active_day.alias("last_seen_date"),
        active_day.isNotNull().cast("long").alias("active_days"),
        purchase_day.alias("first_purchase_date"),
        purchase_day.alias("last_purchase_date"),
        revenue.alias("revenue"),
        sf.col("purchase_count").alias("purchases"),
        purchase_day.isNotNull().cast("long").alias("purchase_days"),
        sf.when(purchase_day.isNotNull(), revenue).alias("purchase_day_revenue"),
        revenue.isNull().alias("is_unfit"),
        (purchase_day.isNotNull() & revenue.isNull()).alias("is_repeat_unfit"),
        values.alias("first_values"),
        values.alias("last_values"),
    )


def _with_running_totals(changes: DataFrame) -> DataFrame:
    """Replace each row's own facts by the player's state after it.

    One sort by player and day serves all windows.
    """
    player = Over.partitionBy(*TIMELINE)
    by_day = player.orderBy("day")
    so_far = by_day.rowsBetween(Over.unboundedPreceding, Over.currentRow)
    first_day = sf.min("first_purchase_date").over(player)
    on_first_day = sf.when(sf.col("day") == first_day, sf.col("purchase_day_revenue"))
    is_repeat = sf.col("day") > first_day
    with_repeats = changes.withColumns(
        {
            "repeat_revenue": sf.coalesce("repeat_revenue", sf.when(is_repeat, sf.col("purchase_day_revenue"))),
            "first_purchase_revenue": sf.coalesce("first_purchase_revenue", on_first_day),
            "first_active_day": sf.min("first_seen_date").over(player),
            "is_active_day": (sf.col("last_seen_date") == sf.col("day")),
            "gap": sf.datediff("day", sf.lag("day").over(by_day)),
            "next_day": sf.lead("day").over(by_day),
        }
    )
    # A sum that did not fit on one day is unknown from then on, never the rest of it.
    is_unfit, is_repeat_unfit = (sf.max(name).over(so_far) for name in ("is_unfit", "is_repeat_unfit"))
    sums = {
        name: sf.coalesce(sf.sum(name).over(so_far), sf.lit(0))
        for name in ("active_days", "revenue", "purchases", "purchase_days", "repeat_revenue")
    }
    return with_repeats.withColumns(
        {
            **sums,
            "revenue": sf.when(~is_unfit, sums["revenue"]),
            "repeat_revenue": sf.when(~is_repeat_unfit, sums["repeat_revenue"]),
            **{name: sf.min(name).over(so_far) for name in ("first_seen_date", "first_purchase_date")},
            **{name: sf.max(name).over(so_far) for name in ("last_seen_date", "last_purchase_date")},
            "first_purchase_revenue": sf.max("first_purchase_revenue").over(so_far),
            "first_values": sf.first("first_values", True).over(so_far),
            "last_values": sf.last("last_values", True).over(so_far),
        }
    )


def _with_bitmaps(states: DataFrame) -> DataFrame:
    """Add both bitmaps as of the row's day: strings, joined from what each row adds to the history.

    Every row adds at least one day, so the last 91 rows hold the last 91 days.
    """
    by_day = Over.partitionBy(*TIMELINE).orderBy("day")
    days_since = sf.concat(
        sf.repeat(sf.lit("0"), sf.coalesce(sf.col("gap") - 1, sf.lit(0))),
        sf.when(sf.coalesce("is_active_day", sf.lit(False)), "1").otherwise("0"),
    )
    is_beginning = (sf.col("day") > sf.col("first_active_day")) & (
        sf.datediff("day", "first_active_day") - sf.col("gap") < BITMAP_DAYS
    )
    beginning = sf.coalesce(
        "beginning",
        sf.when(sf.col("day") == sf.col("first_active_day"), "1").when(is_beginning, days_since),
    )
    history = sf.coalesce("history", days_since)
    recent = sf.collect_list("history").over(by_day.rowsBetween(-BITMAP_DAYS, Over.currentRow))
    first = sf.collect_list("beginning").over(by_day.rowsBetween(Over.unboundedPreceding, Over.currentRow))
    return states.withColumns({"history": history, "beginning": beginning}).withColumns(
        {
            "activity_first_91": sf.rpad(sf.concat_ws("", first), BITMAP_DAYS, "0"),
            "activity_so_far": sf.rpad(sf.reverse(sf.concat_ws("", recent)), BITMAP_DAYS, "0"),
        }
    )


def _each_day(states: DataFrame, *, start: date, end: date) -> DataFrame:
    """Repeat each state for the days of [start, end) on which it holds: up to the player's next row."""
    first = sf.greatest(sf.col("day"), sf.lit(start))
    after = sf.least(sf.coalesce("next_day", sf.lit(end)), sf.lit(end))
    return states.where(first < after).withColumn(
        "snapshot_date", sf.explode(sf.sequence(first, sf.date_sub(after, 1)))
    )


def _columns() -> list[Column]:
    silent_days = sf.datediff("snapshot_date", "day")
    frequency = sf.greatest(sf.col("purchase_days") - 1, sf.lit(0))
    shifted = sf.concat(sf.repeat(sf.lit("0"), silent_days), sf.col("activity_so_far"))
    computed = {
        "activity_last_91": sf.left(shifted, sf.lit(BITMAP_DAYS)),
        "lifetime_revenue": sf.col("revenue"),
        "lifetime_purchases": sf.col("purchases"),
        "frequency": frequency,
        "recency_days": sf.datediff("last_purchase_date", "first_purchase_date"),
        "age_days": sf.datediff("snapshot_date", "first_purchase_date"),
        "monetary_value": sf.when(frequency > 0, sf.try_divide("repeat_revenue", frequency)),
        "repeat_purchase_revenue": sf.col("repeat_revenue"),
        **{f"first_{name}": sf.col(f"first_values.{name}") for name in _VALUES},
        **{f"last_{name}": sf.col(f"last_values.{name}") for name in _VALUES},
    }
    return [computed.get(name, sf.col(name)).alias(name) for name in PLAYER_SNAPSHOTS.schema.fieldNames()]
