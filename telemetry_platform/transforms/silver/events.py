"""Bronze rows to `silver.events`: each accepted event once, and what became of every other delivery."""

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.events import EVENTS
from telemetry_platform.games.game import Game
from telemetry_platform.quality.audit import SHARES_KEY
from telemetry_platform.transforms.registry import with_is_excluded
from telemetry_platform.transforms.silver.content import content_fingerprint
from telemetry_platform.transforms.silver.identity_links import with_accounts
from telemetry_platform.transforms.silver.unsent_ids import is_unsent

# What becomes of a good bronze row (metrics.md, Duplicate): it is the event, says it again, or says something else.
EVENT = "event"
NATURAL_COPY = "natural_copy"
ID_COLLISION = "event_id_collision"
FATES = (EVENT, NATURAL_COPY, ID_COLLISION)

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
    repeated = repeated_ids(bronze, unsent)
    return to_kept_events(to_deliveries(bronze, repeated, start=start, end=end, unsent=unsent), games, links)


def repeated_ids(bronze: DataFrame, unsent: DataFrame | None = None) -> DataFrame:
    """Return `id_hash` of the event ids that more than one row has, and perhaps of a few others.

    Hardly any event is sent twice: to find these few takes two narrow columns of all rows, eight bytes of each.
    """
    hashes = bronze.select(_id_hash())
    if unsent is not None:
        hashes = hashes.unionByName(unsent.select(_id_hash()))
    return hashes.groupBy("id_hash").agg(sf.count("*").alias("rows")).where("rows > 1").select("id_hash")


def _id_hash() -> Column:
    return sf.xxhash64("game_id", sf.lower("event_id")).alias("id_hash")


def to_deliveries(
    bronze: DataFrame, repeated: DataFrame | None, *, start: date, end: date, unsent: DataFrame | None = None
) -> DataFrame:
    """Return the bronze rows of the days [start, end), each with its `fate`, `first_copy` and `shares_key`.

    Only ids that are among `repeated` (None: there are none) are compared. All other rows are events as they stand,
    and are neither sorted nor moved: nothing of what they say needs to be held.
    """
    rows = bronze.withColumns({"event_id": sf.lower("event_id"), "id_hash": _id_hash()})
    once = rows.where(in_days(start, end)).withColumns(
        {"fate": sf.lit(EVENT), "first_copy": sf.lit(None).cast("string"), SHARES_KEY: sf.lit(False)}
    )
    if repeated is None:
        return once.drop("id_hash")
    if unsent is not None:
        unsent = unsent.withColumn("id_hash", _id_hash()).join(repeated, "id_hash", "left_semi")
    compared = with_fate(rows.join(repeated, "id_hash", "left_semi"), unsent).where(in_days(start, end))
    return once.join(repeated, "id_hash", "left_anti").unionByName(compared).drop("id_hash")


def with_fate(rows: DataFrame, unsent: DataFrame | None = None) -> DataFrame:
    """Add what becomes of each row: `fate`, the place of its `first_copy`, and whether an event `shares_key`.

    Clients resend what they could not confirm; the first delivery decides on which day the event counts, and a later
    one that says something else is a collision. Each row looks one day to either side *of its own day*, and one
    without `sent_ts` across the horizon: how many days are materialized together makes no difference. That is why
    an event shares its key with those of its own day alone. Event ids are in lower case.
    """
    own = {"is_unsent": is_unsent(), "is_own": sf.lit(True), "content_sha256": content_fingerprint()}
    compared = rows.withColumns(own)
    if unsent is not None:
        looked_up = unsent.withColumns({"is_unsent": sf.lit(True), "is_own": sf.lit(False)})
        compared = compared.unionByName(looked_up, allowMissingColumns=True)
    by_day = Over.partitionBy("game_id", "event_id").orderBy(sf.unix_date("event_date"))
    copy = sf.struct(*_DELIVERY, "content_sha256")
    nearby = sf.min(copy).over(by_day.rangeBetween(-1, 1))
    far = sf.min(sf.when(sf.col("is_unsent"), copy)).over(by_day.rangeBetween(-HORIZON_DAYS, HORIZON_DAYS))
    found = compared.withColumn("first", sf.when(sf.col("is_unsent"), sf.least(nearby, far)).otherwise(nearby))
    is_first = sf.struct(*_DELIVERY) == sf.struct(*(sf.col("first")[name].alias(name) for name in _DELIVERY))
    # What an older version wrote of ids that are looked up does not say what was sent.
    is_same = sf.coalesce(sf.col("first.content_sha256") == sf.col("content_sha256"), sf.lit(True))
    fate = sf.when(is_first, EVENT).when(is_same, NATURAL_COPY).otherwise(ID_COLLISION)
    events = sf.count_if(sf.col("fate") == EVENT).over(Over.partitionBy("game_id", "event_id", "event_date"))
    return (
        found.withColumn("fate", fate)
        .withColumns({SHARES_KEY: (sf.col("fate") == EVENT) & (events > 1), "first_copy": _place_of_first()})
        .where("is_own")
        .drop("is_own", "is_unsent", "first", "content_sha256")
    )


def _place_of_first() -> Column:
    place = sf.format_string("%s-%d@%d", "first.kafka_topic", "first.kafka_partition", "first.kafka_offset")
    return sf.when(sf.col("fate") != EVENT, place)


def in_days(start: date, end: date) -> Column:
    """Whether an event's day is in [start, end)."""
    return (sf.col("event_date") >= sf.lit(start)) & (sf.col("event_date") < sf.lit(end))


def to_kept_events(deliveries: DataFrame, games: Mapping[str, Game], links: DataFrame | None = None) -> DataFrame:
    """Return the events among the deliveries, with whether they share their key with another."""
    return with_event_columns(deliveries, games, links).select(*EVENTS.schema.fieldNames(), SHARES_KEY)


def with_event_columns(deliveries: DataFrame, games: Mapping[str, Game], links: DataFrame | None = None) -> DataFrame:
    """Return the events among the deliveries: with the effective player, and whether they enter metrics.

    `links` holds the identity links of all days up to the last of the deliveries; None when there is none. An event
    is excluded for the id it was sent with or for the account that this belongs to.
    """
    named = deliveries.where(sf.col("fate") == EVENT).withColumns(
        {
            "sent_player_id": sf.col("player_id"),
            "player_id": sf.coalesce("player_id", "device_id"),
            "clock_corrected": sf.coalesce("clock_corrected", sf.lit(False)),
        }
    )
    found = with_is_excluded(named, games)
    if links is None:
        return found
    is_sent_excluded = found.withColumnRenamed("is_excluded", "is_sent_excluded")
    found = with_is_excluded(with_accounts(is_sent_excluded, links), games)
    return found.withColumn("is_excluded", sf.col("is_excluded") | sf.col("is_sent_excluded"))
