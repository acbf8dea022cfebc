"""`bronze.events`: written by the streaming job, observed here."""

from datetime import UTC, datetime

import dagster as dg

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.defs.kafka.topics import EVENTS, REJECTED
from telemetry_platform.defs.tables import column_schema, key_of
from telemetry_platform.errors import LakeError
from telemetry_platform.lake.bronze_days import bronze_days
from telemetry_platform.lake.log import contents, exists
from telemetry_platform.lake.progress import committed_progress, lag
from telemetry_platform.lake.topics import end_offsets
from telemetry_platform.settings import Settings, current_settings

TABLE = TABLES["bronze.events"]

bronze_events = dg.AssetSpec(
    key_of(TABLE),
    deps=[EVENTS, REJECTED],
    description=f"{TABLE.description} Written by streaming/bronze_events.py, outside Dagster.",
    group_name="bronze",
    kinds={"spark", "deltalake"},
    owners=["team:platform"],
    metadata={"dagster/table_name": TABLE.name, "dagster/column_schema": column_schema(TABLE)},
)


def observe(settings: Settings) -> dict[str, int | str]:
    """Rows, lag and age of bronze from the Delta log, the checkpoint and the broker; no JVM."""
    held = contents(settings.lake, TABLE)
    progress = committed_progress(f"{settings.checkpoints_dir}/bronze_events")
    observed: dict[str, int | str] = {
        "dagster/row_count": held.rows,
        "delta_version": held.version,
        "last_commit": progress.committed_ts.isoformat() if progress else "none",
    }
    try:
        observed["lag_records"] = lag(end_offsets(settings.kafka), progress)
    except LakeError as error:
        observed["lag_records"] = f"unknown: {error}"
    return observed


# Each refresh of today's tables costs a Spark start: five minutes keeps an idle studio cheap.
REFRESH_SECONDS = 300


@dg.sensor(
    target=dg.AssetSelection.groups("silver", "gold", "serve"),
    minimum_interval_seconds=REFRESH_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports what the stream wrote to bronze and refreshes today's partition as it grows.",
)
def bronze_growth(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Report bronze when it has a new version, and ask for today; nothing new, nothing asked."""
    settings = current_settings()
    if not exists(settings.lake, TABLE.name):
        return dg.SkipReason("bronze.events does not exist yet: `telemetry up` starts the streaming job.")
    # Rows, not the version: compaction makes versions without new events. Of new commits only, whatever came before.
    rows = sum(bronze_days(settings.lake).rows.values())
    if context.cursor is not None and rows <= int(context.cursor):
        return dg.SkipReason(f"bronze.events has had {rows} rows since the last look.")
    today = datetime.now(UTC).date().isoformat()
    return dg.SensorResult(
        asset_events=[dg.AssetMaterialization(key_of(TABLE), metadata=observe(settings))],
        run_requests=[dg.RunRequest(run_key=f"{today}:{rows}", partition_key=today)] if rows else [],
        cursor=str(rows),
    )
