"""Rows that are valid by default, so that a test shows only what matters."""

import itertools
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession

from telemetry_platform.contracts.tables import TABLES

DAY = date(2024, 3, 10)
GAME = "game"

_numbers = itertools.count()


def at(text: str, day: date = DAY) -> datetime:
    """Return the time `HH:MM[:SS[.ffffff]]` of `day`, in UTC."""
    return datetime.fromisoformat(f"{day.isoformat()}T{text}").replace(tzinfo=UTC)


def event(event_name: str = "heartbeat", ts: datetime | None = None, **values: Any) -> dict[str, Any]:
    """Return a row of silver.events; keys that are no columns are properties."""
    columns = TABLES["silver.events"].schema.fieldNames()
    happened = ts or at("12:00")
    properties = {name: value for name, value in values.items() if name not in columns}
    row = {
        "event_id": f"e{next(_numbers):06d}",
        "event_name": event_name,
        "event_version": 1,
        "event_ts": happened,
        "event_date": happened.date(),
        "created_ts": happened,
        "received_ts": happened,
        "game_id": GAME,
        "player_id": "p1",
        "sent_player_id": "p1",
        "device_id": "d1",
        "platform": "ios",
        "build_version": "1.0",
        "country": "DE",
        "environment": "production",
        "source": "collector",
        "arrival": "on_time",
        "is_excluded": False,
        "clock_corrected": False,
        "properties": json.dumps(properties),
    }
    return row | {name: value for name, value in values.items() if name in columns}


def purchase(ts: datetime | None = None, **values: Any) -> dict[str, Any]:
    """Return a purchase event of 4.99 USD with a valid receipt."""
    paid = {"price_minor": 499, "currency": "USD", "receipt_status": "valid", "product_id": "gems"}
    return event("purchase", ts, **({"transaction_id": f"t{next(_numbers)}"} | paid | values))


def refund(ts: datetime | None = None, **values: Any) -> dict[str, Any]:
    """Return a refund event of 4.99 USD."""
    paid = {"price_minor": 499, "currency": "USD", "transaction_id": f"t{next(_numbers)}"}
    return event("refund", ts, **(paid | values))


def transaction(ts: datetime, **values: Any) -> dict[str, Any]:
    """Return a row of silver.transactions: a purchase with a valid receipt."""
    row = {"event_date": ts.date(), "game_id": GAME, "kind": "purchase", "event_id": f"e{next(_numbers):06d}"}
    return row | {"event_ts": ts, "receipt_status": "valid"} | values


def payment(ts: datetime | None = None, **values: Any) -> dict[str, Any]:
    """Return a row of silver.purchases: a counted purchase of 4.99 with a valid receipt."""
    return _money(ts) | {"kind": "purchase", "amount": Decimal("4.990000"), "receipt_status": "valid"} | values


def ad(ts: datetime | None = None, **values: Any) -> dict[str, Any]:
    """Return a row of silver.ad_impressions: a counted one of 0.0125."""
    return _money(ts) | {"amount": Decimal("0.012500")} | values


def _money(ts: datetime | None) -> dict[str, Any]:
    happened = ts or at("12:00")
    row = {"event_date": happened.date(), "event_ts": happened, "event_id": f"e{next(_numbers):06d}", "game_id": GAME}
    return row | {"player_id": "p1", "status": "counted", "currency": "USD", "reporting_currency": "USD"}


def bronze_event(event_name: str = "heartbeat", ts: datetime | None = None, **values: Any) -> dict[str, Any]:
    """Return a good row of bronze.events."""
    kafka = {"kafka_topic": "telemetry.events.v1", "kafka_partition": 0, "kafka_offset": next(_numbers)}
    kafka |= {name: values.pop(name) for name in kafka if name in values}
    row = event(event_name, ts, **values)
    return row | kafka | {"received_date": row["received_ts"].date()}


def player_day(event_date: date = DAY, **values: Any) -> dict[str, Any]:
    """Return a row of silver.player_days: one active day without money."""
    zero = Decimal("0.000000")
    return {
        "event_date": event_date,
        "game_id": GAME,
        "player_id": "p1",
        "is_active": True,
        "has_install": False,
        "session_count": 1,
        "playtime_seconds": 60.0,
        "event_count": 3,
        "purchase_count": 0,
        "iap_revenue": zero,
        "iap_revenue_unverified": zero,
        "refunds": zero,
        "ad_revenue": zero,
        "ad_impressions": 0,
        "levels_completed": 0,
        "levels_failed": 0,
        "is_open": False,
        "platform": "ios",
        "country": "DE",
        "build_version": "1.0",
    } | values


def session(started: datetime, seconds: float = 60, **values: Any) -> dict[str, Any]:
    """Return a row of silver.sessions that starts at `started`."""
    ended = datetime.fromtimestamp(started.timestamp() + seconds, UTC)
    return {
        "session_date": started.date(),
        "game_id": GAME,
        "session_key": f"s{next(_numbers)}",
        "player_id": "p1",
        "device_id": "d1",
        "started_ts": started,
        "ended_ts": ended,
        "duration_seconds": float(seconds),
        "event_count": 2,
        "is_truncated": False,
        "is_open": False,
    } | values


def rate(rate_date: date, currency: str, usd_per_unit: str) -> dict[str, Any]:
    """Return a row of reference.exchange_rates."""
    return {"rate_date": rate_date, "currency": currency, "usd_per_unit": Decimal(usd_per_unit)}


def table(spark: SparkSession, name: str, rows: Iterable[Mapping[str, Any]]) -> DataFrame:
    """Build a DataFrame with the contract's schema; columns a row does not name are NULL."""
    schema = TABLES[name].schema
    return spark.createDataFrame([tuple(row.get(column) for column in schema.fieldNames()) for row in rows], schema)


def rows_of(frame: DataFrame, *order: str) -> list[Row]:
    """Collect `frame`, sorted by the columns `order`."""
    return frame.orderBy(*order).collect()
