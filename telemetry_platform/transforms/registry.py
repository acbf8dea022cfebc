"""The registry of games as small tables that join events: games are data, not part of the plan."""

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.games.game import Game

DEFAULT_GAP_MINUTES = 30
DEFAULT_CURRENCY = "USD"
MICROS_PER_MINUTE = 60_000_000


def with_session_gap(rows: DataFrame, games: Mapping[str, Game]) -> DataFrame:
    """Add `gap_micros`: the longest silence inside a session of the row's game, in microseconds."""
    gaps = {game.game_id: game.session_gap_minutes * MICROS_PER_MINUTE for game in games.values()}
    return _with_own_value(rows, "gap_micros", "bigint", gaps, DEFAULT_GAP_MINUTES * MICROS_PER_MINUTE)


def with_reporting_currency(rows: DataFrame, games: Mapping[str, Game]) -> DataFrame:
    """Add `reporting_currency`: the currency in which the row's game reports money."""
    currencies = {game.game_id: game.reporting_currency for game in games.values()}
    return _with_own_value(rows, "reporting_currency", "string", currencies, DEFAULT_CURRENCY)


def _with_own_value(
    rows: DataFrame, column: str, data_type: str, values: Mapping[str, int | str], default: int | str
) -> DataFrame:
    """Add a column with the value of the row's game; only those that differ from the default are joined."""
    own = sorted((game_id, value) for game_id, value in values.items() if value != default)
    if not own:
        return rows.withColumn(column, sf.lit(default))
    listed = rows.sparkSession.createDataFrame(own, f"game_id string, own_value {data_type}")
    return (
        rows.join(sf.broadcast(listed), "game_id", "left")
        .withColumn(column, sf.coalesce("own_value", sf.lit(default)))
        .drop("own_value")
    )


def with_is_excluded(events: DataFrame, games: Mapping[str, Game]) -> DataFrame:
    """Add `is_excluded`: not production, or of a test player or build from its day on (metrics.md)."""
    excluded = sf.coalesce("environment", sf.lit("production")) != "production"
    events, is_test_player = _with_list(events, "player_id", _first_days(games, "test_players"))
    events, is_test_build = _with_list(events, "build_version", _first_days(games, "test_builds"))
    return events.withColumn("is_excluded", excluded | is_test_player | is_test_build).drop(
        "player_id_test_from", "build_version_test_from"
    )


def _first_days(games: Mapping[str, Game], subjects: str) -> dict[tuple[str, str], date]:
    """First day of each listed value of each game: one that is listed twice holds from the earlier day."""
    first: dict[tuple[str, str], date] = {}
    for game in games.values():
        for subject in getattr(game, subjects):
            key = (game.game_id, subject.value)
            first[key] = min(subject.valid_from, first.get(key, subject.valid_from))
    return first


def _with_list(events: DataFrame, column: str, first_days: Mapping[tuple[str, str], date]) -> tuple[DataFrame, Column]:
    """Join a test list on `column`; the events, and whether an event is on the list on its day."""
    if not first_days:
        return events, sf.lit(False)
    listed = events.sparkSession.createDataFrame(
        [(game_id, value, day) for (game_id, value), day in sorted(first_days.items())],
        f"game_id string, {column} string, {column}_test_from date",
    )
    joined = events.join(sf.broadcast(listed), ["game_id", column], "left")
    return joined, sf.coalesce(sf.col("event_date") >= sf.col(f"{column}_test_from"), sf.lit(False))
