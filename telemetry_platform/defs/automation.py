"""What runs by the clock."""

from datetime import timedelta

import dagster as dg

from telemetry_platform.defs.partitions import daily

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
    """Ask for yesterday by name: the newest partition is today, which is still open."""
    yesterday = (context.scheduled_execution_time.date() - timedelta(days=1)).isoformat()
    return dg.RunRequest(run_key=yesterday, partition_key=yesterday)
