"""Stored days that share something with new bronze rows: narrow tables, read without a JVM."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
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
from telemetry_platform.transforms.silver.sessions import LONGEST_SESSION_DAYS


def days_of(
    root: str, name: str, window: Window, condition: str, values: Sequence[Any], *, days: str | None = None
) -> set[date]:
    """Stored days of the window with a row for which `condition` (DuckDB SQL, `values` for its marks) holds.

    `days` is what to return of such rows when it is not their day.
    """
    stored = _stored(root, name, window)
    if stored is None:
        return set()
    return _days(
        f"SELECT DISTINCT {days or TABLES[name].date_column} FROM stored WHERE {condition}", values, stored=stored
    )


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


def event_names(root: str, window: Window, among: Collection[str] | None = None) -> set[tuple[str, str]]:
    """Game and name of the stored events of the window: of all names, or of those `among` these."""
    stored = _stored(root, "silver.events", window)
    if stored is None:
        return set()
    condition, values = ("true", []) if among is None else ("event_name IN (SELECT unnest(?))", [sorted(among)])
    return {
        (game, name)
        for game, name in _rows(
            f"SELECT DISTINCT game_id, event_name FROM stored WHERE {condition}", values, stored=stored
        )
    }


def activity_outside_sessions(root: str, window: Window, first: date) -> dict[str, int]:
    """Events of the window per game that a device plays after a session of it was cut, and that are in no session.

    `first` is the first day on which sessions may have been cut. Events are looked at only where one was.
    """
    reach = timedelta(days=LONGEST_SESSION_DAYS)
    sessions = _stored(root, "silver.sessions", Window(min(first, window.start - reach), window.end))
    events = _stored(root, "silver.events", window)
    if sessions is None or events is None:
        return {}
    if not _rows("SELECT 1 FROM sessions WHERE is_truncated LIMIT 1", [], sessions=sessions):
        return {}
    statement = """
        WITH cut AS (
            SELECT DISTINCT game_id, player_id, coalesce(device_id, '') AS device FROM sessions WHERE is_truncated
        ),
        active AS (
            SELECT game_id, player_id, coalesce(device_id, '') AS device, event_ts FROM events
            WHERE NOT is_excluded AND event_name <> 'refund' AND coalesce(platform, '') <> 'server'
        ),
        held AS (
            SELECT game_id, player_id, coalesce(device_id, '') AS device, started_ts, ended_ts FROM sessions
            WHERE session_date >= ?
        )
        SELECT game_id, count(*) FROM active SEMI JOIN cut USING (game_id, player_id, device)
        WHERE NOT EXISTS (
            SELECT 1 FROM held
            WHERE held.game_id = active.game_id AND held.player_id = active.player_id AND held.device = active.device
                AND active.event_ts BETWEEN held.started_ts AND held.ended_ts
        )
        GROUP BY game_id
    """
    return dict(_rows(statement, [window.start - reach], sessions=sessions, events=events))


def days_with_new_links(root: str, touched: Collection[date]) -> set[date]:
    """Touched days with an `identify` that names an account for an id, where no stored link says so already."""
    if not touched:
        return set()
    stored = _stored(root, "silver.identity_links", Window.of_days(date.min, max(touched)))
    bronze = _bronze(root, touched)
    if stored is None or bronze is None:
        return set()
    return _days(
        """
        WITH named AS (
            SELECT game_id, event_date, json_extract_string(properties, '$.account_id') AS account_id,
                unnest([account_id, player_id, device_id]) AS device_or_guest_id
            FROM bronze
            WHERE event_name = 'identify' AND event_date IN (SELECT unnest(?)) AND json_valid(properties)
        )
        SELECT DISTINCT event_date FROM named
        WHERE account_id IS NOT NULL AND device_or_guest_id IS NOT NULL AND NOT EXISTS (
            FROM stored WHERE stored.game_id = named.game_id AND stored.device_or_guest_id = named.device_or_guest_id
                AND (valid_from_date < event_date
                    OR (valid_from_date = event_date AND stored.account_id = named.account_id))
        )
        """,
        [sorted(touched)],
        stored=stored,
        bronze=bronze,
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
    return {row[0] for row in _rows(statement, values, **relations)}


def _rows(statement: str, values: Sequence[Any], **relations: ds.Dataset) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, relation in relations.items():
            connection.register(name, relation)
        return connection.execute(statement, list(values)).fetchall()


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
