"""Row rules of each table as pandera models; `rules.py` compiles them into Spark columns.

Fields not named here are bound by the contract's types alone.
"""

import pandera.pyspark as pa
import pyspark.sql.types as t

from telemetry_platform.contracts.amounts import AMOUNT_STATUSES, PAYMENT_STATUSES
from telemetry_platform.contracts.tables.column import MONEY


class SilverEvents(pa.DataFrameModel):
    """Rules of `silver.events`."""

    event_id: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    event_name: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    event_version: t.IntegerType() = pa.Field(ge=1, nullable=False)  # type: ignore[valid-type]
    player_id: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    event_ts: t.TimestampType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    received_ts: t.TimestampType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    properties: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    arrival: t.StringType() = pa.Field(isin=["on_time", "late", "imported"], nullable=False)  # type: ignore[valid-type]
    is_excluded: t.BooleanType() = pa.Field(nullable=False)  # type: ignore[valid-type]


class SilverUnsentIds(pa.DataFrameModel):
    """Rules of `silver.unsent_ids`."""

    event_id: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    received_ts: t.TimestampType() = pa.Field(nullable=False)  # type: ignore[valid-type]


class SilverIdentityLinks(pa.DataFrameModel):
    """Rules of `silver.identity_links`."""

    device_or_guest_id: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    account_id: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]


class SilverRejectedEvents(pa.DataFrameModel):
    """Rules of `silver.rejected_events`."""

    stage: t.StringType() = pa.Field(isin=["collector", "stream", "silver"], nullable=False)  # type: ignore[valid-type]
    error_type: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    received_ts: t.TimestampType() = pa.Field(nullable=False)  # type: ignore[valid-type]


class SilverTransactions(pa.DataFrameModel):
    """Rules of `silver.transactions`."""

    kind: t.StringType() = pa.Field(isin=["purchase", "refund"], nullable=False)  # type: ignore[valid-type]
    transaction_id: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    event_ts: t.TimestampType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    receipt_status: t.StringType() = pa.Field(isin=["valid", "invalid"], nullable=True)  # type: ignore[valid-type]


class SilverPurchases(pa.DataFrameModel):
    """Rules of `silver.purchases`."""

    event_ts: t.TimestampType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    player_id: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    kind: t.StringType() = pa.Field(isin=["purchase", "refund"], nullable=False)  # type: ignore[valid-type]
    amount: MONEY = pa.Field(nullable=True)  # type: ignore[valid-type]
    reporting_currency: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    receipt_status: t.StringType() = pa.Field(  # type: ignore[valid-type]
        isin=["valid", "invalid", "unverified"], nullable=False
    )
    status: t.StringType() = pa.Field(isin=list(PAYMENT_STATUSES), nullable=False)  # type: ignore[valid-type]


class SilverAdImpressions(pa.DataFrameModel):
    """Rules of `silver.ad_impressions`."""

    event_ts: t.TimestampType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    player_id: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    amount: MONEY = pa.Field(ge=0, nullable=True)  # type: ignore[valid-type]
    reporting_currency: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    status: t.StringType() = pa.Field(isin=list(AMOUNT_STATUSES), nullable=False)  # type: ignore[valid-type]


class SilverSessions(pa.DataFrameModel):
    """Rules of `silver.sessions`."""

    session_key: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    player_id: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    duration_seconds: t.DoubleType() = pa.Field(ge=0, nullable=False)  # type: ignore[valid-type]
    event_count: t.LongType() = pa.Field(ge=1, nullable=False)  # type: ignore[valid-type]
    is_truncated: t.BooleanType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    is_open: t.BooleanType() = pa.Field(nullable=False)  # type: ignore[valid-type]


class SilverEconomyFlows(pa.DataFrameModel):
    """Rules of `silver.economy_flows`."""

    player_id: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    event_ts: t.TimestampType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    flow: t.StringType() = pa.Field(isin=["source", "sink"], nullable=False)  # type: ignore[valid-type]
    soft_currency: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    amount: t.LongType() = pa.Field(ge=0, nullable=False)  # type: ignore[valid-type]
    reason: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]


class SilverExperimentExposures(pa.DataFrameModel):
    """Rules of `silver.experiment_exposures`."""

    player_id: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    event_ts: t.TimestampType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    experiment: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    variant: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]


class SilverClientHealth(pa.DataFrameModel):
    """Rules of `silver.client_health`."""

    player_id: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    event_ts: t.TimestampType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    event_name: t.StringType() = pa.Field(  # type: ignore[valid-type]
        isin=["client_error", "login_failed", "performance", "matchmaking", "purchase_failed"], nullable=False
    )
    fps_avg: t.DoubleType() = pa.Field(ge=0, nullable=True)  # type: ignore[valid-type]
    fps_p5: t.DoubleType() = pa.Field(ge=0, nullable=True)  # type: ignore[valid-type]
    memory_mb: t.DoubleType() = pa.Field(ge=0, nullable=True)  # type: ignore[valid-type]
    ping_ms: t.DoubleType() = pa.Field(ge=0, nullable=True)  # type: ignore[valid-type]
    load_seconds: t.DoubleType() = pa.Field(ge=0, nullable=True)  # type: ignore[valid-type]
    seconds: t.DoubleType() = pa.Field(ge=0, nullable=True)  # type: ignore[valid-type]


class SilverLevelAttempts(pa.DataFrameModel):
    """Rules of `silver.level_attempts`."""

    player_id: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    session_key: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    level: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    level_index: t.LongType() = pa.Field(ge=0, nullable=True)  # type: ignore[valid-type]
    started_ts: t.TimestampType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    ended_ts: t.TimestampType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    seconds: t.DoubleType() = pa.Field(ge=0, nullable=False)  # type: ignore[valid-type]
    fails: t.LongType() = pa.Field(ge=0, nullable=False)  # type: ignore[valid-type]
    outcome: t.StringType() = pa.Field(  # type: ignore[valid-type]
        isin=["completed", "failed", "abandoned"], nullable=False
    )
    is_open: t.BooleanType() = pa.Field(nullable=False)  # type: ignore[valid-type]


class SilverPlayerDays(pa.DataFrameModel):
    """Rules of `silver.player_days`."""

    player_id: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    session_count: t.LongType() = pa.Field(ge=0, nullable=False)  # type: ignore[valid-type]
    playtime_seconds: t.DoubleType() = pa.Field(ge=0, nullable=False)  # type: ignore[valid-type]
    event_count: t.LongType() = pa.Field(ge=0, nullable=False)  # type: ignore[valid-type]
    purchase_count: t.LongType() = pa.Field(ge=0, nullable=False)  # type: ignore[valid-type]
    iap_revenue: MONEY = pa.Field(nullable=False)  # type: ignore[valid-type]
    iap_revenue_unverified: MONEY = pa.Field(ge=0, nullable=False)  # type: ignore[valid-type]
    refunds: MONEY = pa.Field(ge=0, nullable=False)  # type: ignore[valid-type]
    ad_revenue: MONEY = pa.Field(ge=0, nullable=False)  # type: ignore[valid-type]
    is_open: t.BooleanType() = pa.Field(nullable=False)  # type: ignore[valid-type]


class GoldPlayerSnapshots(pa.DataFrameModel):
    """Rules of `gold.player_snapshots`."""

    player_id: t.StringType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    active_days: t.LongType() = pa.Field(ge=0, nullable=False)  # type: ignore[valid-type]
    lifetime_purchases: t.LongType() = pa.Field(ge=0, nullable=False)  # type: ignore[valid-type]
    lifetime_revenue: MONEY = pa.Field(nullable=False)  # type: ignore[valid-type]
    repeat_purchase_revenue: MONEY = pa.Field(nullable=False)  # type: ignore[valid-type]


class GoldDailyKpis(pa.DataFrameModel):
    """Rules of `gold.daily_kpis`."""

    segment: t.StringType() = pa.Field(  # type: ignore[valid-type]
        isin=["all", "platform", "country", "build_version"], nullable=False
    )
    dau: t.LongType() = pa.Field(ge=0, nullable=False)  # type: ignore[valid-type]
    stickiness: t.DoubleType() = pa.Field(ge=0, le=1, nullable=True)  # type: ignore[valid-type]
    payer_share: t.DoubleType() = pa.Field(ge=0, nullable=True)  # type: ignore[valid-type]
    iap_revenue: MONEY = pa.Field(nullable=False)  # type: ignore[valid-type]
    iap_revenue_unverified: MONEY = pa.Field(nullable=False)  # type: ignore[valid-type]
    refunds: MONEY = pa.Field(nullable=False)  # type: ignore[valid-type]
    ad_revenue: MONEY = pa.Field(nullable=False)  # type: ignore[valid-type]
    revenue: MONEY = pa.Field(nullable=False)  # type: ignore[valid-type]
    is_closed: t.BooleanType() = pa.Field(nullable=False)  # type: ignore[valid-type]
    is_open: t.BooleanType() = pa.Field(nullable=False)  # type: ignore[valid-type]


MODELS: dict[str, type[pa.DataFrameModel]] = {
    "silver.unsent_ids": SilverUnsentIds,
    "silver.identity_links": SilverIdentityLinks,
    "silver.events": SilverEvents,
    "silver.rejected_events": SilverRejectedEvents,
    "silver.transactions": SilverTransactions,
    "silver.purchases": SilverPurchases,
    "silver.ad_impressions": SilverAdImpressions,
    "silver.sessions": SilverSessions,
    "silver.economy_flows": SilverEconomyFlows,
    "silver.experiment_exposures": SilverExperimentExposures,
    "silver.client_health": SilverClientHealth,
    "silver.level_attempts": SilverLevelAttempts,
    "silver.player_days": SilverPlayerDays,
    "gold.player_snapshots": GoldPlayerSnapshots,
    "gold.daily_kpis": GoldDailyKpis,
}
