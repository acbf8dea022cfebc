"""When a table is late."""

from datetime import timedelta

import dagster as dg

# Today's partition is refreshed while events arrive and yesterday's is closed at 02:15 UTC: a table
# that nothing wrote for a day and a half has missed its closing run.
daily_table = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=27))
