"""Contract of `reference.exchange_rates`."""

from pyspark.sql.types import DateType, DecimalType, StringType, StructField, StructType

from telemetry_platform.contracts.tables.table import Table

# A day without a rate of its own has the newest of so many days before.
RATE_DAYS = 7

EXCHANGE_RATES = Table(
    name="reference.exchange_rates",
    description="Dated exchange rates; one row per day and currency.",
    schema=StructType(
        [
            StructField("rate_date", DateType(), metadata={"comment": "Day the rate was published for."}),
            StructField("currency", StringType(), metadata={"comment": "ISO 4217 code."}),
            StructField("usd_per_unit", DecimalType(18, 9), metadata={"comment": "US dollars for one unit."}),
        ]
    ),
    keys=("rate_date", "currency"),
    date_column="rate_date",
)
