"""The largest single amount of money an event may carry."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from telemetry_platform.contracts.currencies import minor_unit_decimals

LARGEST_AMOUNT = 1_000_000
"""Of one purchase, refund or ad impression, in the reporting currency.

The tables' DECIMAL(18,6) holds the sum of 999,999 of them; without a bound a hundred made-up purchases
overflow it, and no game has its day.
"""

EDGE_CURRENCY = "USD"
"""The currency in which the edge knows an amount; the others are bounded after their conversion, in silver."""

MICROS_DECIMALS = 6
MONEY_PROPERTIES = {"purchase": "price_minor", "refund": "price_minor", "ad_impression": "revenue_micros"}
"""The property that holds an event's money, by event name."""


def is_amount_out_of_range(event_name: str, properties: Mapping[str, Any]) -> bool:
    """Whether an event that fits its schema carries more US dollars than `LARGEST_AMOUNT`."""
    name = MONEY_PROPERTIES.get(event_name)
    if name is None or properties.get("currency") != EDGE_CURRENCY:
        return False
    decimals = MICROS_DECIMALS if name == "revenue_micros" else minor_unit_decimals(EDGE_CURRENCY)
    return Decimal(properties[name]).scaleb(-decimals) > LARGEST_AMOUNT
