"""The one partitions definition every daily table shares, and the window of a run."""

import dagster as dg

from telemetry_platform.lake.window import Window
from telemetry_platform.settings import current_settings

# end_offset: today is a partition too, refreshed during the day and closed after it.
daily = dg.DailyPartitionsDefinition(start_date=current_settings().start_date.isoformat(), timezone="UTC", end_offset=1)

# One run for a whole range: a daily run would pay for Spark's start once a day. Dependencies are same-day in
# Dagster although runs read neighbouring days themselves (Window.widened): with offset mappings, a backfill of seven
# days from the UI targeted nine days of sessions and 36 of KPIs, in three runs with a Spark start each.
whole_range = dg.BackfillPolicy.single_run()


def window_of(context: dg.AssetExecutionContext) -> Window:
    """Days this run was asked for: one partition or a range."""
    time_window = context.partition_time_window
    return Window.between(time_window.start, time_window.end)
