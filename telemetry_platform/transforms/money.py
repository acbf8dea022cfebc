"""Amounts of money in the reporting currency of their game, exactly, and why some of them count nowhere."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

from telemetry_platform.contracts.amounts import LARGEST_AMOUNT, LARGEST_REPORTED_AMOUNT
from telemetry_platform.contracts.currencies import WITH_FOUR_DECIMALS, WITH_THREE_DECIMALS, WITHOUT_DECIMALS
from telemetry_platform.contracts.tables.exchange_rates import RATE_DAYS
from telemetry_platform.games.game import Game
from telemetry_platform.transforms.registry import with_reporting_currency

_RATE = "decimal(18,9)"
_AMOUNT = "decimal(18,6)"


def with_amount(
    rows: DataFrame,
    rates: DataFrame,
    *,
    start: date,
    end: date,
    games: Mapping[str, Game],
    written: str,
    worth: Callable[[Column], Column],
) -> DataFrame:
    """Add `reporting_currency`, `amount` in it (not negative, DECIMAL(18,6)) and `fault`, NULL where it counts.

    `rows` have a `currency` and lie in [start, end); `rates` are rows of reference.exchange_rates; `written` names
    the column with the number the client sent, and `worth` says what that is in dollars at so many for one unit.

    `invalid_amount`: no whole number that a contract takes. `no_rate`: one of the two currencies has no rate of the
    day or the 7 days before; money is never taken 1:1 for want of one, but what is in the reporting currency already
    needs none. `amount_out_of_range`: beyond `LARGEST_AMOUNT` or `LARGEST_REPORTED_AMOUNT`, which keeps the sums of a
    day within their columns, for write keys lie in shipped clients and anybody can send purchases.
    """
    rated = _with_rates(with_reporting_currency(rows, games), _rate_of_each_day(rates, start, end))
    is_same = sf.coalesce(sf.col("currency") == sf.col("reporting_currency"), sf.lit(False))
    own = sf.when(is_same, _one()).otherwise(sf.col("usd_per_unit"))
    reporting = sf.when(is_same, _one()).otherwise(sf.col("usd_per_reporting_unit"))
    is_in_range = sf.coalesce(sf.col("amount") <= LARGEST_REPORTED_AMOUNT, sf.lit(False)) & sf.coalesce(
        worth(sf.col("usd_per_unit")) <= LARGEST_AMOUNT, sf.lit(True)
    )
    fault = (
        sf.when(sf.col(written).isNull() | (sf.col(written) < 0), "invalid_amount")
        .when(own.isNull() | reporting.isNull(), "no_rate")
        .when(~is_in_range, "amount_out_of_range")
    )
    return (
        rated.withColumn("amount", sf.try_divide(worth(own), reporting).try_cast(_AMOUNT))
        .withColumn("fault", fault)
        .drop("usd_per_unit", "usd_per_reporting_unit")
    )


def worth_of_minor_units(usd_per_unit: Column) -> Column:
    """Dollars of `price_minor`, exactly: 38 digits hold the product of 13, 18 and 5; NULL for a larger number."""
    currency = sf.col("currency")
    unit = (
        sf.when(currency.isin(*WITHOUT_DECIMALS), sf.lit("1"))
        .when(currency.isin(*WITH_THREE_DECIMALS), sf.lit("0.001"))
        .when(currency.isin(*WITH_FOUR_DECIMALS), sf.lit("0.0001"))
        .otherwise(sf.lit("0.01"))
    )
    return sf.col("price_minor").try_cast("decimal(13,0)") * usd_per_unit * unit.cast("decimal(5,4)")


def worth_of_micros(usd_per_unit: Column) -> Column:
    """Dollars of `revenue_micros`, exactly; NULL for a number of more than 12 digits."""
    return sf.col("revenue_micros").try_cast("decimal(12,0)") * usd_per_unit * sf.lit("0.000001").cast("decimal(6,6)")


def _with_rates(rows: DataFrame, daily: DataFrame) -> DataFrame:
    """Add the dollars for one unit of the row's currency and of its game's; a dollar is one, whatever is stored."""
    reporting = daily.withColumnsRenamed({"currency": "reporting_currency", "usd_per_unit": "usd_per_reporting_unit"})
    joined = rows.join(sf.broadcast(daily), ["currency", "event_date"], "left").join(
        sf.broadcast(reporting), ["reporting_currency", "event_date"], "left"
    )
    return joined.withColumns(
        {
            rate: sf.when(sf.col(currency) == "USD", _one()).otherwise(sf.col(rate))
            for currency, rate in (("currency", "usd_per_unit"), ("reporting_currency", "usd_per_reporting_unit"))
        }
    )


def _rate_of_each_day(rates: DataFrame, start: date, end: date) -> DataFrame:
    """Return, per currency and day of [start, end), the newest rate that is not later and at most 7 days older."""
    valid_on = sf.explode(sf.sequence("rate_date", sf.date_add("rate_date", RATE_DAYS)))
    first = start - timedelta(days=RATE_DAYS)
    return (
        rates.where((sf.col("rate_date") >= sf.lit(first)) & (sf.col("rate_date") < sf.lit(end)))
        .withColumn("event_date", valid_on)
        .where((sf.col("event_date") >= sf.lit(start)) & (sf.col("event_date") < sf.lit(end)))
        .groupBy("currency", "event_date")
        .agg(sf.max_by("usd_per_unit", "rate_date").cast(_RATE).alias("usd_per_unit"))
    )


def _one() -> Column:
    return sf.lit(1).cast(_RATE)
