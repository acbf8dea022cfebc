"""Events to `silver.sessions`: runs of one player's events on one device without a long gap."""

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.sessions import SESSIONS
from telemetry_platform.games.game import Game
from telemetry_platform.transforms.registry import with_session_gap

LONGEST_SESSION_DAYS = 7
MICROS_PER_DAY = 86_400_000_000

_DEVICE = ("game_id", "player_id", "device")


def to_sessions(
    events: DataFrame, *, start: date, end: date, games: Mapping[str, Game], closed_through: date
) -> DataFrame:
    """Return the sessions that start on the days [start, end), whole across midnight.

    `events` holds the days [start - 1, end + 1), and up to end + 7 those of the devices that `never_paused` on the
    day `end`. The day before tells what continues into the window; the days after let its last sessions close. A
    session that ends within one gap of what is not closed yet `is_open`.
    """
    sessions = (
        _with_run_start(with_session_gap(events.where(counts_as_activity()), games))
        .withColumn("session_date", sf.to_date("run_start"))
        .where((sf.col("session_date") >= sf.lit(start)) & (sf.col("session_date") < sf.lit(end)))
        .where(sf.datediff("event_ts", "session_date") <= LONGEST_SESSION_DAYS)
        .groupBy(*_DEVICE, "run_start", "session_date")
        .agg(
            sf.max("event_ts").alias("ended_ts"),
            sf.max("gap_micros").alias("gap_micros"),
            sf.count("*").alias("event_count"),
            *(_last_known(name) for name in ("platform", "build_version", "country")),
        )
    )
    may_go_on = sf.unix_micros("ended_ts") + sf.col("gap_micros")
    last_day = sf.date_add("session_date", LONGEST_SESSION_DAYS)
    is_truncated = may_go_on >= midnight_after(last_day)
    unclosed = sf.least(sf.lit(closed_through), last_day) < last_day
    return (
        sessions.withColumn("session_key", _session_key())
        .withColumn("device_id", sf.nullif("device", sf.lit("")))
        .withColumn("started_ts", sf.col("run_start"))
        .withColumn("duration_seconds", (sf.unix_micros("ended_ts") - sf.unix_micros("started_ts")) / sf.lit(1e6))
        .withColumn("is_truncated", is_truncated)
        .withColumn("is_open", unclosed & (may_go_on >= midnight_after(sf.lit(closed_through))))
        .select(*SESSIONS.schema.fieldNames())
    )


def never_paused(events: DataFrame, *, day: date, games: Mapping[str, Game]) -> DataFrame:
    """Return the devices whose run may cross the whole of `day`: few, and most of them bots.

    `events` holds that day. Whoever is silent for longer than one gap on it, at its beginning or at its end starts
    a new run, so that what follows cannot belong to a session from before.
    """
    active = with_session_gap(events.where(counts_as_activity()), games)
    midnight = sf.unix_micros(sf.lit(day).cast("timestamp"))
    first, last = sf.unix_micros(sf.min("event_ts")), sf.unix_micros(sf.max("event_ts"))
    gap = sf.max("gap_micros")
    return (
        active.withColumn("device", sf.coalesce("device_id", sf.lit("")))
        .groupBy(*_DEVICE)
        .agg(
            (first <= midnight + gap).alias("from_start"),
            (last + gap >= midnight + MICROS_PER_DAY).alias("to_end"),
            (sf.count("*") >= MICROS_PER_DAY / gap - 1).alias("is_dense"),
        )
        .where("from_start AND to_end AND is_dense")
        .select(*_DEVICE)
    )


def of_devices(events: DataFrame, devices: DataFrame) -> DataFrame:
    """Return the events of `devices` (of `never_paused`) alone."""
    device = sf.coalesce("device_id", sf.lit(""))
    return events.withColumn("device", device).join(sf.broadcast(devices), [*_DEVICE], "left_semi").drop("device")


def counts_as_activity() -> Column:
    """Whether an event makes its player active (metrics.md, Activity)."""
    return (
        ~sf.col("is_excluded") & (sf.col("event_name") != "refund") & (sf.coalesce("platform", sf.lit("")) != "server")
    )


def _with_run_start(events: DataFrame) -> DataFrame:
    """Add the time at which the event's run begins; a silence of exactly the gap stays inside."""
    by_device = Over.partitionBy(*_DEVICE).orderBy("event_ts", "event_id")
    silence = sf.unix_micros("event_ts") - sf.unix_micros(sf.lag("event_ts").over(by_device))
    return (
        events.withColumn("device", sf.coalesce("device_id", sf.lit("")))
        .withColumn("is_start", sf.coalesce(silence > sf.col("gap_micros"), sf.lit(True)))
        .withColumn("run_start", sf.last(sf.when(sf.col("is_start"), sf.col("event_ts")), True).over(by_device))
    )


def _last_known(name: str) -> Column:
    order = sf.when(sf.col(name).isNotNull(), sf.struct("event_ts", "event_id"))
    return sf.max_by(name, order).alias(name)


def _session_key() -> Column:
    # With each part's length before it, ("ab", "c") and ("a", "bc") stay apart whatever characters clients choose.
    parts = (*(sf.col(name) for name in _DEVICE), sf.unix_micros("run_start").cast("string"))
    return sf.sha2(sf.concat(*(sf.concat(sf.length(part).cast("string"), sf.lit(":"), part) for part in parts)), 256)


def midnight_after(day: Column) -> Column:
    """First moment after `day`, in microseconds; past the calendar's end for one that never closes."""
    return sf.unix_micros(sf.date_add(day, 1).cast("timestamp"))
