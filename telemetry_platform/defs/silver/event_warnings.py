"""Warning checks of `silver.events`: what is worth a look without being wrong. None costs a pass over the table."""

from datetime import timedelta

import dagster as dg
from pyspark.sql import Column
from pyspark.sql import functions as sf

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.defs.tables import check_result, key_of
from telemetry_platform.lake.log import rows_by_day_and_game
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.layers import Layers
from telemetry_platform.partitions.looking_up import event_names
from telemetry_platform.quality.audit import GameFault
from telemetry_platform.quality.warnings import (
    COMPARED_DAYS,
    MOST_LATE,
    MOST_UNSENT,
    Names,
    large_share,
    new_names,
    unusual_rows,
)

TABLE = TABLES["silver.events"]
WARNINGS = {
    "rows_are_as_usual": (
        f"No closed day has less than half or more than twice a game's mean of the {COMPARED_DAYS} days before."
    ),
    "few_events_are_late": f"At most {MOST_LATE:.0%} of the deliveries came late.",
    "event_names_are_known": "No game sends an event by a name that it never sent before.",
    "sent_ts_is_given": f"At most {MOST_UNSENT:.0%} of the deliveries came without sent_ts.",
}


def event_warning_specs() -> list[dg.AssetCheckSpec]:
    """One spec per warning."""
    return [dg.AssetCheckSpec(name, asset=key_of(TABLE), description=text) for name, text in WARNINGS.items()]


def late_deliveries() -> Column:
    """Number of late deliveries, for the job that writes to observe."""
    return sf.count_if(sf.col("arrival") == "late").alias("late")


def event_warnings(layers: Layers, window: Window, *, late: int, rows: int) -> list[dg.AssetCheckResult]:
    """Results of all warnings, for a window that is written; `late` of its `rows` deliveries came late."""
    entries = layers.entries("silver.unsent_ids")
    # A day that was not materialized would count as one on which every client said when it sent.
    unsent = sum(entries[day].rows for day in window if layers.is_complete("silver.unsent_ids", day))
    before_too = rows_by_day_and_game(layers.lake.root, TABLE, window.widened(before=COMPARED_DAYS))
    found: tuple[tuple[GameFault, ...], ...] = (
        unusual_rows(before_too, window, closed_through=layers.closed_through),
        large_share("late", late, rows, MOST_LATE),
        new_names(*_names(layers, window)),
        large_share("without_sent_ts", unsent, rows, MOST_UNSENT),
    )
    return [
        check_result(TABLE, name, faults, severity=dg.AssetCheckSeverity.WARN)
        for name, faults in zip(WARNINGS, found, strict=True)
    ]


def _names(layers: Layers, window: Window) -> tuple[Names, Names]:
    """Return the names in the window, and those of them that were there before it.

    All of history is looked through only for a name that the days before do not have.
    """
    root, recent = layers.lake.root, window.start - timedelta(days=COMPARED_DAYS)
    now = event_names(root, window)
    before = event_names(root, Window(recent, window.start))
    unseen = {name for _, name in now - before}
    if unseen and layers.start_date < recent:
        before |= event_names(root, Window(layers.start_date, recent), among=unseen)
    return now, before
