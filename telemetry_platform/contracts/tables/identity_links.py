"""Contract of `silver.identity_links`: one row per id that an account was named for."""

from pyspark.sql.types import DateType, StringType, StructType

from telemetry_platform.contracts.tables.column import column
from telemetry_platform.contracts.tables.table import Table

IDENTITY_LINKS = Table(
    name="silver.identity_links",
    description=(
        "Which account an id belongs to, and since when; one row per id of a game, for all time. An identify event "
        "links the player_id and the device_id that it was sent with; the first account wins. An account has a row to "
        "itself: it never belongs to another one. Links are not chained. Excluded traffic links nothing."
    ),
    schema=StructType(
        [
            column("valid_from_date", DateType(), "UTC day of the identify event: the link holds from its beginning."),
            column("game_id", StringType(), "Game."),
            column("device_or_guest_id", StringType(), "Linked id: a player_id or device_id as sent, or an account."),
            column("account_id", StringType(), "Account the id belongs to; an account belongs to itself."),
        ]
    ),
    keys=("game_id", "device_or_guest_id"),
    date_column="valid_from_date",
    partition_by=("valid_from_date",),
)
