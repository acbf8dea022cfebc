"""Bronze rows to `silver.events`: each accepted event once."""

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame, WindowSpec
from pyspark.sql import Window as Over
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables.events import EVENTS
from telemetry_platform.games.game import Game, TestSubject

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


def to_events(bronze: DataFrame, *, start: date, end: date, games: Mapping[str, Game]) -> DataFrame:
    """Return events of the days [start, end), once each.

    `bronze` holds the good rows of [start - 1, end + 1): a retry may move a copy across midnight, and
    the first delivery decides on which day the event counts.
    """
    return (
        # A UUID is the same in capitals: rows written before the collector stored it in lower case are compared so too.
        bronze.withColumn("event_id", sf.lower("event_id"))
        .withColumn("copy_number", sf.row_number().over(_by_delivery()))
        .where(sf.col("copy_number") == 1)
        .where((sf.col("event_date") >= sf.lit(start)) & (sf.col("event_date") < sf.lit(end)))
        .withColumn("sent_player_id", sf.col("player_id"))
        .withColumn("player_id", sf.coalesce("player_id", "device_id"))
        .withColumn("is_excluded", is_excluded(games))
        .withColumn("clock_corrected", sf.coalesce("clock_corrected", sf.lit(False)))
        .select(*EVENTS.schema.fieldNames())
    )


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


def is_excluded(games: Mapping[str, Game]) -> Column:
    """Whether an event enters no metric: not production, or a test player or build from its day on."""
    excluded = sf.coalesce("environment", sf.lit("production")) != "production"
    for game in games.values():
        listed = _listed("player_id", game.test_players) | _listed("build_version", game.test_builds)
        excluded = excluded | ((sf.col("game_id") == game.game_id) & listed)
    return excluded


def _by_delivery() -> WindowSpec:
    return Over.partitionBy("game_id", "event_id").orderBy(
        "received_ts", "kafka_topic", "kafka_partition", "kafka_offset"
    )


def _listed(column: str, subjects: tuple[TestSubject, ...]) -> Column:
    listed = sf.lit(False)
    for subject in subjects:
        matches = sf.coalesce(sf.col(column) == subject.value, sf.lit(False))
        listed = listed | (matches & (sf.col("event_date") >= sf.lit(subject.valid_from)))
    return listed
