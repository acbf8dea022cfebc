"""Every table of the lake by its full name, `stage.table`."""

from telemetry_platform.contracts.tables.ad_impressions import AD_IMPRESSIONS
from telemetry_platform.contracts.tables.bronze_events import BRONZE_EVENTS
from telemetry_platform.contracts.tables.client_health import CLIENT_HEALTH
from telemetry_platform.contracts.tables.daily_kpis import DAILY_KPIS
from telemetry_platform.contracts.tables.economy_flows import ECONOMY_FLOWS
from telemetry_platform.contracts.tables.events import EVENTS
from telemetry_platform.contracts.tables.exchange_rates import EXCHANGE_RATES
from telemetry_platform.contracts.tables.experiment_exposures import EXPERIMENT_EXPOSURES
from telemetry_platform.contracts.tables.identity_links import IDENTITY_LINKS
from telemetry_platform.contracts.tables.level_attempts import LEVEL_ATTEMPTS
from telemetry_platform.contracts.tables.materialized_days import MATERIALIZED_DAYS
from telemetry_platform.contracts.tables.player_days import PLAYER_DAYS
from telemetry_platform.contracts.tables.player_snapshots import PLAYER_SNAPSHOTS
from telemetry_platform.contracts.tables.purchases import PURCHASES
from telemetry_platform.contracts.tables.rejected_events import REJECTED_EVENTS
from telemetry_platform.contracts.tables.sessions import SESSIONS
from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.contracts.tables.transactions import TRANSACTIONS
from telemetry_platform.contracts.tables.unsent_ids import UNSENT_IDS

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        BRONZE_EVENTS,
        EXCHANGE_RATES,
        UNSENT_IDS,
        IDENTITY_LINKS,
        EVENTS,
        REJECTED_EVENTS,
        TRANSACTIONS,
        PURCHASES,
        AD_IMPRESSIONS,
        SESSIONS,
        ECONOMY_FLOWS,
        EXPERIMENT_EXPOSURES,
        CLIENT_HEALTH,
        LEVEL_ATTEMPTS,
        PLAYER_DAYS,
        PLAYER_SNAPSHOTS,
        DAILY_KPIS,
        MATERIALIZED_DAYS,
    )
}

__all__ = ["TABLES", "Table"]
