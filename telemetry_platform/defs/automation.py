"""What runs by the clock."""

from datetime import timedelta

import dagster as dg

from telemetry_platform.defs.partitions import daily
from telemetry_platform.partitions.affected import closing_window
from telemetry_platform.settings import current_settings

daily_tables = dg.define_asset_job(
    "daily_tables",
    selection=dg.AssetSelection.groups("silver", "gold", "serve"),
    partitions_def=daily,
    description="All daily tables, from silver to the warehouse.",
)


@dg.schedule(
    job=daily_tables,
    cron_schedule="15 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Closes yesterday: by 02:15 UTC its last events have arrived (metrics.md, Closed day).",
)
def close_yesterday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask by name for yesterday, and for the days before it whose sessions its events may have gone on with."""
    yesterday = context.scheduled_execution_time.date() - timedelta(days=1)
    days = closing_window(yesterday, current_settings().start_date)
    return dg.RunRequest(
        run_key=yesterday.isoformat(),
        tags={
            "dagster/asset_partition_range_start": days.start.isoformat(),
            "dagster/asset_partition_range_end": (days.end - timedelta(days=1)).isoformat(),
        },
    )
