"""The largest single amount of money an event may carry."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, get_args

from telemetry_platform.contracts.currencies import minor_unit_decimals

LARGEST_AMOUNT = 1_000_000
"""Of one purchase, refund or ad impression, in US dollars.

The tables' DECIMAL(18,6) holds the sum of 999,999 of them; without a bound a hundred made-up purchases
overflow it, and no game has its day.
"""

LARGEST_REPORTED_AMOUNT = 100_000_000
"""Of the same, in the reporting currency.

Where a dollar is worth thousands of its units, a million dollars are too many of them: 9,999 of these fit
into the sum. The dearest thing that a store sells, of 1,000 US dollars, stays below it in every currency.
"""

AmountStatus = Literal["counted", "no_rate", "invalid_amount", "amount_out_of_range"]
PaymentStatus = Literal[AmountStatus, "duplicate_transaction", "invalid_receipt"]

COUNTED: AmountStatus = "counted"
AMOUNT_STATUSES: tuple[AmountStatus, ...] = get_args(AmountStatus)
PAYMENT_STATUSES: tuple[PaymentStatus, ...] = get_args(PaymentStatus)
"""What becomes of a row of money: each has exactly one, and only what is counted has an amount."""

LOST_STATUSES: tuple[AmountStatus, ...] = ("no_rate", "invalid_amount", "amount_out_of_range")
"""Money that may have been paid and is in no revenue, unlike a transaction that was there before or is a forgery."""

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
