"""Level events and sessions to `silver.level_attempts`: each try at a level, from its start to its end."""

from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.level_attempts import LEVEL_ATTEMPTS
from telemetry_platform.transforms.properties import with_properties
from telemetry_platform.transforms.silver.sessions import counts_as_activity, midnight_after

STARTED, COMPLETED, FAILED = "level_started", "level_completed", "level_failed"

_PLAYER = ("game_id", "player_id")
_OF_START = ("started_ts", "event_id", "device", "level", "session_end")
_ATTEMPT = (
    *("started_ts", "event_id", "event_date", "player_id", "device", "level", "level_index"),
    *("session_key", "session_end", "session_is_open", "next_start_ts"),
    *("platform", "build_version", "country"),
)


def to_level_attempts(
    events: DataFrame, sessions: DataFrame, *, start: date, end: date, closed_through: date
) -> DataFrame:
    """Return the attempts that start on the days [start, end), whole across midnight.

    `sessions` holds those that reach these days, `events` the days that these sessions cover: before the window too,
    for what happens at the very moment of a start may belong to the attempt before it.
    """
    levels = _with_session(_with_next_start(_level_events(events)), sessions)
    attempts = (
        _with_attempt(levels)
        .withColumn("completed_ts", sf.min(_ts_of(COMPLETED)).over(Over.partitionBy("game_id", "attempt_id")))
        .groupBy("game_id", "attempt_id")
        .agg(
            sf.max(sf.when(_is(STARTED), sf.struct(*_ATTEMPT))).alias("first"),
            sf.max("completed_ts").alias("completed_ts"),
            sf.count_if(_is(FAILED) & (sf.col("event_ts") <= sf.coalesce("completed_ts", "event_ts"))).alias("fails"),
        )
        .select("game_id", "first.*", "completed_ts", "fails")
        .where((sf.col("event_date") >= sf.lit(start)) & (sf.col("event_date") < sf.lit(end)))
    )
    return _with_end(attempts, closed_through).select(*LEVEL_ATTEMPTS.schema.fieldNames())


def of_players(events: DataFrame, sessions: DataFrame) -> DataFrame:
    """Return the events of the players of `sessions` alone."""
    return events.join(sf.broadcast(sessions.select(*_PLAYER).distinct()), [*_PLAYER], "left_semi")


def _level_events(events: DataFrame) -> DataFrame:
    """Return the level events that make their player active, for only those are in sessions."""
    return (
        with_properties(events, (STARTED, COMPLETED, FAILED), ("level", "level_index"))
        .where(counts_as_activity())
        .withColumn("device", sf.coalesce("device_id", sf.lit("")))
        .select("*", "p.*")
        .select(
            *_PLAYER,
            *("device", "event_id", "event_name", "event_date", "event_ts", "level", "level_index"),
            *("platform", "build_version", "country"),
        )
    )


def _with_next_start(levels: DataFrame) -> DataFrame:
    """Add to each start when the player starts a level the next time, on whatever device."""
    of_player = Over.partitionBy(*_PLAYER, "event_name").orderBy("event_ts", "event_id")
    return levels.withColumn("next_start_ts", sf.when(_is(STARTED), sf.lead("event_ts").over(of_player)))


def _with_session(levels: DataFrame, sessions: DataFrame) -> DataFrame:
    """Add to each start its session; NULL where it is in none."""
    reach = sessions.select(
        *(sf.col(name).alias(f"session_{name}") for name in (*_PLAYER, "started_ts")),
        sf.coalesce("device_id", sf.lit("")).alias("session_device"),
        sf.col("ended_ts").alias("session_end"),
        "session_key",
        sf.col("is_open").alias("session_is_open"),
    )
    is_inside = sf.lit(True)
    for name in (*_PLAYER, "device"):
        is_inside &= sf.col(name) == sf.col(f"session_{name}")
    is_inside &= _is(STARTED) & sf.col("event_ts").between(sf.col("session_started_ts"), sf.col("session_end"))
    return levels.join(reach, is_inside, "left").withColumn("started_ts", _ts_of(STARTED))


def _with_attempt(levels: DataFrame) -> DataFrame:
    """Return the events that belong to an attempt, with `attempt_id`: the id of the event that started it.

    That is the player's last start before the event, when it is of the same level on the same device and its session
    has not ended; else one at the very moment of the event. Where clients count whole seconds, a player who fails and
    tries again does both in one second.
    """
    begun = sf.when(_is(STARTED), sf.struct(*_OF_START))
    is_in_session = _is(STARTED) & sf.col("session_key").isNotNull()
    before = Over.partitionBy(*_PLAYER).orderBy(sf.unix_micros("event_ts")).rangeBetween(Over.unboundedPreceding, -1)
    same_moment = Over.partitionBy(*_PLAYER, "device", "level", "event_ts")
    last = sf.col("last_start")
    is_of_last = (
        (last.level == sf.col("level")) & (last.device == sf.col("device")) & (last.session_end >= sf.col("event_ts"))
    )
    return (
        levels.withColumns(
            {
                "last_start": sf.max(begun).over(before),
                "start_now": sf.max(sf.when(is_in_session, begun)).over(same_moment),
            }
        )
        .withColumn(
            "attempt_id",
            sf.when(is_in_session, sf.col("event_id"))
            .when(_is(STARTED), None)
            .when(is_of_last, last.event_id)
            .otherwise(sf.col("start_now.event_id")),
        )
        .where("attempt_id IS NOT NULL")
    )


def _with_end(attempts: DataFrame, closed_through: date) -> DataFrame:
    """Add how and when each attempt ended, and whether that may still change."""
    cut = sf.when(sf.col("next_start_ts") <= sf.col("session_end"), sf.col("next_start_ts"))
    own_end = sf.coalesce("completed_ts", cut)
    outcome = sf.when(sf.col("completed_ts").isNotNull(), "completed").when(sf.col("fails") > 0, "failed")
    is_settled = sf.unix_micros(own_end) < midnight_after(sf.lit(closed_through))
    return (
        attempts.withColumn("ended_ts", sf.coalesce(own_end, "session_end"))
        .withColumn("seconds", (sf.unix_micros("ended_ts") - sf.unix_micros("started_ts")) / sf.lit(1e6))
        .withColumn("outcome", outcome.otherwise("abandoned"))
        .withColumn("device_id", sf.nullif("device", sf.lit("")))
        .withColumn("is_open", sf.col("session_is_open") & ~sf.coalesce(is_settled, sf.lit(False)))
    )


def _is(name: str) -> Column:
    return sf.col("event_name") == name


def _ts_of(name: str) -> Column:
    return sf.when(_is(name), sf.col("event_ts"))
