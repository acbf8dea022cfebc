"""Snapshots, player days and sessions to `gold.daily_kpis`: the daily sheet of every game."""

from collections.abc import Iterable
from datetime import date
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.daily_kpis import DAILY_KPIS
from telemetry_platform.transforms.gold.merged_players import guests

TRAILING_DAYS = 30

_SEGMENTS = ("platform", "country", "build_version")
_GIVEN = {
    "given_revenue": "decimal(18,6)",
    "given_iap_revenue": "decimal(18,6)",
    "given_is_unfit": "boolean",
    "given_purchases": "bigint",
}
_MONEY = ("iap_revenue", "iap_revenue_unverified", "refunds", "ad_revenue", "revenue")


def to_daily_kpis(
    snapshots: DataFrame,
    player_days: DataFrame,
    sessions: DataFrame,
    *,
    start: date,
    end: date,
    closed_through: date,
    links: DataFrame | None = None,
) -> DataFrame:
    """Return the KPIs of the days [start, end), per game and segment value.

    `snapshots` and `sessions` hold the days of the range, `player_days` and `links`, the identity links
    (None when there is none), the 29 days before it too. A player counts in one value of each segment a
    day: that of the last active day up to it. A game has its all row on every day since its first player,
    also when nobody played; other segment values have a row while anything in it differs from 0.
    """
    facts = (
        _states(snapshots)
        .unionByName(_spending(player_days), allowMissingColumns=True)
        .unionByName(_sessions(sessions), allowMissingColumns=True)
    )
    if links is None:
        facts = facts.withColumns({name: sf.lit(None).cast(kind) for name, kind in _GIVEN.items()})
    else:
        given = _given_spending(player_days, links, start=start, end=end)
        facts = facts.unionByName(given, allowMissingColumns=True)
    in_range = (sf.col("event_date") >= sf.lit(start)) & (sf.col("event_date") < sf.lit(end))
    kpis = (
        _with_player_context(facts)
        .where(in_range)
        .withColumn("s", sf.explode(_segments()))
        .groupBy("event_date", "game_id", sf.col("s.segment"), sf.col("s.segment_value"))
        .agg(*_counts(), *_sums(), *_session_lengths(), sf.bool_or("is_open_session").alias("has_open_session"))
    )
    return (
        _with_ratios(kpis)
        .where((sf.col("segment") == "all") | _has_anything())
        .withColumn("is_closed", sf.col("event_date") <= sf.lit(closed_through))
        .withColumn("is_open", ~sf.col("is_closed") | sf.coalesce("has_open_session", sf.lit(False)))
        .select(*DAILY_KPIS.schema.fieldNames())
    )


def _states(snapshots: DataFrame) -> DataFrame:
    """Return a row per player and day with what the activity bitmap says."""
    last = sf.col("activity_last_91")
    played_today = _played(last, 1)
    played_yesterday = sf.substring(last, 2, 1) == "1"
    is_first_day = sf.col("first_seen_date") == sf.col("snapshot_date")
    is_new = played_today & sf.coalesce(is_first_day, sf.lit(False))
    flags = {
        "dau": played_today,
        "wau": _played(last, 7),
        "mau_30d": _played(last, TRAILING_DAYS),
        "mau_calendar": _played(last, sf.dayofmonth("snapshot_date")),
        "new_players": is_new,
        "returning_players": played_today & played_yesterday,
        "resurrected_players": played_today & ~played_yesterday & ~is_new,
        "dormant_players": ~played_today & played_yesterday,
        "new_payers": sf.coalesce(sf.col("first_purchase_date") == sf.col("snapshot_date"), sf.lit(False)),
    }
    return snapshots.select(
        sf.col("snapshot_date").alias("event_date"),
        "game_id",
        "player_id",
        sf.lit(True).alias("is_state"),
        sf.struct(*(sf.col(f"last_{name}").alias(name) for name in _SEGMENTS)).alias("values"),
        *(flag.alias(name) for name, flag in flags.items()),
    )


def _played(bitmap: Column, days: int | Column) -> Column:
    return sf.contains(sf.left(bitmap, sf.lit(days) if isinstance(days, int) else days), sf.lit("1"))


def _spending(player_days: DataFrame) -> DataFrame:
    return player_days.withColumn("revenue", sf.col("iap_revenue") + sf.col("ad_revenue")).select(
        "event_date",
        "game_id",
        "player_id",
        *(sf.col(name).try_cast("decimal(18,6)").alias(name) for name in _MONEY),
        _is_any_null(_MONEY).alias("is_unfit"),
        sf.col("purchase_count").alias("purchases"),
    )


def _given_spending(player_days: DataFrame, links: DataFrame, *, start: date, end: date) -> DataFrame:
    """Return a row per later day of an account on which what a guest of it has spent before is in its trailing days.

    The account's own rows do not hold it: on the days before the link it was the guest's.
    """
    spent = _spending(player_days).join(guests(links), ["game_id", "player_id"])
    first = sf.greatest("gone_date", sf.lit(start))
    last = sf.least(sf.date_add("event_date", TRAILING_DAYS - 1), sf.date_sub(sf.lit(end), 1))
    has_any = sf.col("is_unfit") | (sf.col("purchases") > 0) | (sf.col("revenue") != 0) | (sf.col("iap_revenue") != 0)
    return spent.where(has_any & (sf.col("event_date") < sf.col("gone_date")) & (first <= last)).select(
        "game_id",
        sf.col("account_id").alias("player_id"),
        sf.explode(sf.sequence(first, last)).alias("event_date"),
        *(sf.col(name.removeprefix("given_")).alias(name) for name in _GIVEN),
    )


def _sessions(sessions: DataFrame) -> DataFrame:
    return sessions.select(
        sf.col("session_date").alias("event_date"),
        "game_id",
        "player_id",
        (sf.unix_micros("ended_ts") - sf.unix_micros("started_ts")).alias("session_micros"),
        sf.col("is_open").alias("is_open_session"),
    )


def _with_player_context(facts: DataFrame) -> DataFrame:
    """Add each player's segment values of the day to all rows, and trailing money to the state rows.

    That is what the player's own days hold, and what was given for the day. All rows of a player meet in one sort,
    which costs less than joining the three tables.
    """
    by_day = Over.partitionBy("game_id", "player_id").orderBy(sf.unix_date("event_date"))
    same_day = by_day.rangeBetween(0, 0)
    trailing = by_day.rangeBetween(-(TRAILING_DAYS - 1), 0)
    is_state = sf.coalesce("is_state", sf.lit(False))

    def total(name: str) -> Column:
        own, given = sf.sum(name).over(trailing), sf.sum(f"given_{name}").over(same_day)
        return sf.coalesce(own, sf.lit(0)) + sf.coalesce(given, sf.lit(0))

    is_unfit = (sf.max("is_unfit").over(trailing), sf.max("given_is_unfit").over(same_day))
    return facts.withColumns(
        {
            "values": sf.max("values").over(same_day),
            "revenue_30d": sf.when(is_state, total("revenue")),
            "iap_revenue_30d": sf.when(is_state, total("iap_revenue")),
            "is_unfit_30d": is_state & reduce(or_, (sf.coalesce(one, sf.lit(False)) for one in is_unfit)),
            "is_payer_30d": is_state & (total("purchases") > 0),
        }
    )


def _segments() -> Column:
    values = {"all": sf.lit("all")} | {
        name: sf.coalesce(sf.col(f"values.{name}"), sf.lit("unknown")) for name in _SEGMENTS
    }
    return sf.array(
        *(
            sf.struct(sf.lit(segment).alias("segment"), value.alias("segment_value"))
            for segment, value in values.items()
        )
    )


def _counts() -> list[Column]:
    flags = (
        *("dau", "wau", "mau_30d", "mau_calendar"),
        *("new_players", "returning_players", "resurrected_players", "dormant_players", "new_payers"),
    )
    return [
        *(sf.count_if(name).alias(name) for name in flags),
        sf.count("session_micros").alias("sessions"),
        sf.count_if(sf.col("purchases") > 0).alias("payers"),
        sf.count_if("is_payer_30d").alias("payers_30d"),
    ]


def _sums() -> list[Column]:
    # Where the money of one player's day did not fit into its column, what it is part of is unknown.
    is_unfit, is_unfit_30d = (sf.coalesce(sf.bool_or(name), sf.lit(False)) for name in ("is_unfit", "is_unfit_30d"))
    return [
        sf.coalesce(sf.sum("purchases"), sf.lit(0)).alias("purchases"),
        *(sf.when(~is_unfit, sf.coalesce(sf.sum(name), sf.lit(0))).alias(name) for name in _MONEY),
        *(
            sf.when(~is_unfit_30d, sf.coalesce(sf.sum(name), sf.lit(0))).alias(name)
            for name in ("revenue_30d", "iap_revenue_30d")
        ),
    ]


def _session_lengths() -> list[Column]:
    micros = sf.col("session_micros")
    total = sf.sum(micros)
    return [
        (sf.coalesce(total, sf.lit(0)) / sf.lit(1e6)).alias("playtime_seconds"),
        (total / sf.count(micros) / sf.lit(1e6)).alias("session_seconds_mean"),
        (sf.percentile(micros, 0.5) / sf.lit(1e6)).alias("session_seconds_median"),
        (sf.percentile(micros, 0.9) / sf.lit(1e6)).alias("session_seconds_p90"),
    ]


def _with_ratios(kpis: DataFrame) -> DataFrame:
    ratios = {
        "sessions_per_dau": ("sessions", "dau"),
        "payer_share": ("payers", "dau"),
        "arpdau": ("revenue", "dau"),
        "arpu_30d": ("revenue_30d", "mau_30d"),
        "arppu_30d": ("iap_revenue_30d", "payers_30d"),
    }
    # On a day on which nobody played every ratio of the day is NULL, stickiness too.
    stickiness = sf.when(sf.col("dau") > 0, _ratio("dau", "mau_30d"))
    return kpis.withColumns({"stickiness": stickiness} | {name: _ratio(*parts) for name, parts in ratios.items()})


def _ratio(above: str, below: str) -> Column:
    return sf.when(sf.col(below) > 0, sf.col(above).cast("double") / sf.col(below))


def _has_anything() -> Column:
    return (
        (sf.col("mau_30d") > 0)
        | (sf.col("mau_calendar") > 0)
        | (sf.col("sessions") > 0)
        | (sf.col("purchases") > 0)
        | sf.coalesce(sf.col("refunds") != 0, sf.lit(True))
        | sf.coalesce(sf.col("revenue") != 0, sf.lit(True))
    )


def _is_any_null(names: Iterable[str]) -> Column:
    return reduce(or_, (sf.col(name).isNull() for name in names))
