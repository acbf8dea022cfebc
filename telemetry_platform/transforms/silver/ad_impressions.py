"""Events to `silver.ad_impressions`: ads that were shown, and what they earned."""

from collections.abc import Mapping
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.contracts.amounts import COUNTED
from telemetry_platform.contracts.tables.ad_impressions import AD_IMPRESSIONS
from telemetry_platform.games.game import Game
from telemetry_platform.transforms.money import with_amount, worth_of_micros
from telemetry_platform.transforms.properties import with_properties

_PROPERTIES = ("network", "placement", "ad_format", "revenue_micros", "currency")


def to_ad_impressions(
    events: DataFrame, rates: DataFrame, *, start: date, end: date, games: Mapping[str, Game]
) -> DataFrame:
    """Return every ad impression of `events`, which holds the days [start, end), with its `status`.

    `amount` is in the game's reporting currency, and NULL unless the status is `counted`.
    """
    impressions = with_properties(events, ("ad_impression",), _PROPERTIES).select(
        "event_date", "game_id", "event_id", "event_ts", "player_id", "p.*"
    )
    rated = with_amount(
        impressions, rates, start=start, end=end, games=games, written="revenue_micros", worth=worth_of_micros
    )
    return (
        rated.withColumn("status", sf.coalesce("fault", sf.lit(COUNTED)))
        .withColumn("amount", sf.when(sf.col("status") == COUNTED, sf.col("amount")))
        .select(*AD_IMPRESSIONS.schema.fieldNames())
    )
