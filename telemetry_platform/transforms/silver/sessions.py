"""Events to `silver.sessions`: runs of one player's events on one device without a long gap."""

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.sessions import SESSIONS
from telemetry_platform.games.game import Game

DEFAULT_GAP_MINUTES = 30
LONGEST_SESSION_DAYS = 7

_DEVICE = ("game_id", "player_id", "device")


def to_sessions(events: DataFrame, *, start: date, end: date, games: Mapping[str, Game]) -> DataFrame:
    """Return the sessions that start on the days [start, end), whole across midnight.

    `events` holds the days [start - 1, end + 7). The day before tells what continues into the window;
    the days after let the sessions of the last day close.
    """
    sessions = (
        _with_run_start(events.where(counts_as_activity()), gap_micros(games))
        .withColumn("session_date", sf.to_date("run_start"))
        .where((sf.col("session_date") >= sf.lit(start)) & (sf.col("session_date") < sf.lit(end)))
        .where(sf.datediff("event_ts", "session_date") <= LONGEST_SESSION_DAYS)
        .groupBy(*_DEVICE, "run_start", "session_date")
        .agg(
            sf.max("event_ts").alias("ended_ts"),
            sf.count("*").alias("event_count"),
            *(_last_known(name) for name in ("platform", "build_version", "country")),
        )
    )
    return (
        sessions.withColumn("session_key", _session_key())
        .withColumn("device_id", sf.nullif("device", sf.lit("")))
        .withColumn("started_ts", sf.col("run_start"))
        .withColumn("duration_seconds", (sf.unix_micros("ended_ts") - sf.unix_micros("started_ts")) / sf.lit(1e6))
        .withColumn("is_truncated", _may_go_on(gap_micros(games)))
        .select(*SESSIONS.schema.fieldNames())
    )


def counts_as_activity() -> Column:
    """Whether an event makes its player active (metrics.md, Activity)."""
    return (
        ~sf.col("is_excluded") & (sf.col("event_name") != "refund") & (sf.coalesce("platform", sf.lit("")) != "server")
    )


def gap_micros(games: Mapping[str, Game]) -> Column:
    """Longest silence inside a session, in microseconds, of the row's game."""
    gap = sf.lit(DEFAULT_GAP_MINUTES * 60_000_000)
    for game in games.values():
        gap = sf.when(sf.col("game_id") == game.game_id, game.session_gap_minutes * 60_000_000).otherwise(gap)
    return gap


def _with_run_start(events: DataFrame, gap: Column) -> DataFrame:
    """Add the time at which the event's run begins; a silence of exactly the gap stays inside."""
    by_device = Over.partitionBy(*_DEVICE).orderBy("event_ts", "event_id")
    silence = sf.unix_micros("event_ts") - sf.unix_micros(sf.lag("event_ts").over(by_device))
    return (
        events.withColumn("device", sf.coalesce("device_id", sf.lit("")))
        .withColumn("is_start", sf.coalesce(silence > gap, sf.lit(True)))
        .withColumn("run_start", sf.last(sf.when(sf.col("is_start"), sf.col("event_ts")), True).over(by_device))
    )


def _last_known(name: str) -> Column:
    order = sf.when(sf.col(name).isNotNull(), sf.struct("event_ts", "event_id"))
    return sf.max_by(name, order).alias(name)


def _session_key() -> Column:
    # With each part's length before it, ("ab", "c") and ("a", "bc") stay apart whatever characters clients choose.
    parts = (*(sf.col(name) for name in _DEVICE), sf.unix_micros("run_start").cast("string"))
    return sf.sha2(sf.concat(*(sf.concat(sf.length(part).cast("string"), sf.lit(":"), part) for part in parts)), 256)


def _may_go_on(gap: Column) -> Column:
    """Whether an event just past the last day that is read could still belong to the session."""
    horizon = sf.date_add("session_date", LONGEST_SESSION_DAYS + 1).cast("timestamp")
    return sf.unix_micros("ended_ts") + gap >= sf.unix_micros(horizon)
