"""Events to `silver.sessions`: runs of one player's events on one device without a long gap."""

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame, WindowSpec
from pyspark.sql import Window as Over
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.sessions import SESSIONS
from telemetry_platform.games.game import Game
from telemetry_platform.transforms.registry import with_session_gap

LONGEST_SESSION_DAYS = 7
MICROS_PER_DAY = 86_400_000_000

_DEVICE = ("game_id", "player_id", "device")
_LAST_KNOWN = ("platform", "build_version", "country")


def to_sessions(
    events: DataFrame, *, start: date, end: date, games: Mapping[str, Game], closed_through: date
) -> DataFrame:
    """Return the sessions that start on the days [start, end), whole across midnight.

    `events` holds the days [start - 1, end + 1), and up to end + 7 those of the devices that `never_paused` on the
    day `end`. The day before tells what continues into the window; the days after let its last sessions close. A
    session that ends within one gap of what is not closed yet `is_open`.
    """
    active = with_session_gap(events.where(counts_as_activity()), games)
    sessions = (
        _at_ends(_with_neighbours(active))
        .where((sf.col("session_date") >= sf.lit(start)) & (sf.col("session_date") < sf.lit(end)))
        .where(_is_in_session("event_ts") & (sf.col("is_end") | ~_is_in_session("next_ts")))
        .withColumnRenamed("event_ts", "ended_ts")
        .withColumn("event_count", sf.col("number") - sf.col("first_number") + 1)
        .withColumns(
            {
                name: sf.when(sf.col(f"last_{name}.event_ts") >= sf.col("run_start"), sf.col(f"last_{name}")[name])
                for name in _LAST_KNOWN
            }
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


def _with_neighbours(events: DataFrame) -> DataFrame:
    """Add what stands beside each event of a device, and whether a run starts or ends with it.

    A silence of exactly the gap stays inside. `last_*` is the latest known value up to the event, of any run.
    """
    by_device = _by_device()
    so_far = by_device.rowsBetween(Over.unboundedPreceding, Over.currentRow)
    silence = sf.unix_micros("event_ts") - sf.unix_micros("before_ts")
    next_silence = sf.unix_micros("next_ts") - sf.unix_micros("event_ts")
    return (
        events.withColumn("device", sf.coalesce("device_id", sf.lit("")))
        .withColumn("device_hash", sf.xxhash64(*_DEVICE))
        .withColumns(
            {
                "before_ts": sf.lag("event_ts").over(by_device),
                "next_ts": sf.lead("event_ts").over(by_device),
                "number": sf.row_number().over(by_device),
                **{f"last_{name}": _last_known(name).over(so_far) for name in _LAST_KNOWN},
            }
        )
        .withColumn("is_start", sf.coalesce(silence > sf.col("gap_micros"), sf.lit(True)))
        .withColumn("is_end", sf.coalesce(next_silence > sf.col("gap_micros"), sf.lit(True)))
    )


def _by_device() -> WindowSpec:
    # The hash comes first: it tells two devices apart with one comparison of numbers, where the names take three of
    # texts whose beginnings are often the same.
    return Over.partitionBy("device_hash", *_DEVICE).orderBy("event_ts", "event_id")


def _last_known(name: str) -> Column:
    known = sf.struct("event_ts", name)
    return sf.last(sf.when(sf.col(name).isNotNull(), known), ignorenulls=True)


def _at_ends(events: DataFrame) -> DataFrame:
    """Return the events at which a run starts, ends or meets the end of a day, with the start of their run.

    All others say nothing that is not known by then: so few are left that a second look at them costs little.
    """
    is_last_of_day = sf.to_date("next_ts") > sf.to_date("event_ts")
    start = sf.when(sf.col("is_start"), sf.struct("event_ts", "number"))
    return (
        events.where(sf.col("is_start") | sf.col("is_end") | is_last_of_day)
        .withColumn("start", sf.last(start, ignorenulls=True).over(_by_device()))
        .withColumns({"run_start": sf.col("start.event_ts"), "first_number": sf.col("start.number")})
        .withColumn("session_date", sf.to_date("run_start"))
    )


def _is_in_session(moment: str) -> Column:
    """Whether a moment of the run is near enough to its start: what comes later belongs to no session."""
    return sf.datediff(moment, "session_date") <= LONGEST_SESSION_DAYS


def _session_key() -> Column:
    # With each part's length before it, ("ab", "c") and ("a", "bc") stay apart whatever characters clients choose.
    parts = (*(sf.col(name) for name in _DEVICE), sf.unix_micros("run_start").cast("string"))
    return sf.sha2(sf.concat(*(sf.concat(sf.length(part).cast("string"), sf.lit(":"), part) for part in parts)), 256)


def midnight_after(day: Column) -> Column:
    """First moment after `day`, in microseconds; past the calendar's end for one that never closes."""
    return sf.unix_micros(sf.date_add(day, 1).cast("timestamp"))
