"""Stored days that share something with new bronze rows: narrow tables, read without a JVM."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any
from urllib.parse import unquote

import duckdb
import pyarrow.dataset as ds

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.contracts.tables.bronze_events import BRONZE_EVENTS
from telemetry_platform.lake.log import current_files, dataset_of, exists, table_path
from telemetry_platform.lake.log_folder import LogFolder
from telemetry_platform.lake.snapshot import Days
from telemetry_platform.lake.window import Window
from telemetry_platform.transforms.silver.events import HORIZON_DAYS


def days_of(root: str, name: str, window: Window, condition: str, values: Sequence[Any]) -> set[date]:
    """Stored days of the window with a row for which `condition` (DuckDB SQL, `values` for its marks) holds."""
    stored = _stored(root, name, window)
    if stored is None:
        return set()
    return _days(f"SELECT DISTINCT {TABLES[name].date_column} FROM stored WHERE {condition}", values, stored=stored)


def days_sharing_ids(root: str, touched: Collection[date]) -> set[date]:
    """Stored days with a delivery without `sent_ts` that an earlier one on the touched days takes the place of."""
    return _sharing(
        root,
        "silver.unsent_ids",
        touched,
        """
        WITH new AS (
            SELECT game_id, lower(event_id) AS event_id, min(received_ts) AS received_ts
            FROM bronze WHERE sent_ts IS NULL AND event_date IN (SELECT unnest(?)) GROUP BY ALL
        )
        SELECT DISTINCT event_date FROM stored JOIN new USING (game_id, event_id)
        WHERE new.received_ts < stored.received_ts
        """,
    )


def days_sharing_transactions(root: str, touched: Collection[date]) -> set[date]:
    """Stored days with an event of a transaction that new events on the touched days change.

    They change it where they are earlier, or bring a verdict that is not the one it had. A store that hands a
    purchase over again changes nothing.
    """
    return _sharing(
        root,
        "silver.transactions",
        touched,
        """
        WITH new AS (
            SELECT game_id, event_name AS kind, lower(event_id) AS event_id, event_ts,
                json_extract_string(properties, '$.transaction_id') AS transaction_id,
                nullif(json_extract_string(properties, '$.receipt_status'), 'unverified') AS verdict
            FROM bronze
            WHERE event_name IN ('purchase', 'refund') AND event_date IN (SELECT unnest(?)) AND json_valid(properties)
                AND (game_id, lower(event_id)) NOT IN (SELECT (game_id, event_id) FROM stored)
        ),
        changed AS (
            SELECT DISTINCT game_id, kind, transaction_id FROM stored JOIN new USING (game_id, kind, transaction_id)
            WHERE new.event_ts < stored.event_ts
                OR (new.verdict IS NOT NULL AND new.verdict IS DISTINCT FROM stored.receipt_status)
        )
        SELECT DISTINCT event_date FROM stored JOIN changed USING (game_id, kind, transaction_id)
        """,
    )


def _sharing(root: str, name: str, touched: Collection[date], statement: str) -> set[date]:
    if not touched:
        return set()
    window = Window.of_days(min(touched), max(touched))
    stored = _stored(root, name, window.widened(before=HORIZON_DAYS, after=HORIZON_DAYS))
    bronze = _bronze(root, touched)
    if stored is None or bronze is None:
        return set()
    return _days(statement, [sorted(touched)], stored=stored, bronze=bronze)


def _days(statement: str, values: Sequence[Any], **relations: ds.Dataset) -> set[date]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, relation in relations.items():
            connection.register(name, relation)
        return {row[0] for row in connection.execute(statement, list(values)).fetchall()}


def _stored(root: str, name: str, window: Window) -> ds.Dataset | None:
    if not exists(root, name):
        return None
    return dataset_of(root, TABLES[name], Days.of(TABLES[name].date_column, window))


def _bronze(root: str, touched: Collection[date]) -> ds.Dataset | None:
    """The bronze files that hold rows of the touched days."""
    folder = LogFolder.at(table_path(root, BRONZE_EVENTS.name))
    if folder is None:
        return None
    days = {day.isoformat() for day in touched}
    _, _, files = current_files(root, BRONZE_EVENTS.name, columns=("event_date",))
    held = [
        unquote(file.path)
        for file in files
        if "event_date" in file.min_values
        and any(file.min_values["event_date"] <= day <= file.max_values["event_date"] for day in days)
    ]
    return ds.dataset(held, filesystem=folder.filesystem, format="parquet") if held else None
