"""A window of a Delta table into Snowflake: staged Parquet, COPY, one fenced transaction.

What is visible is the old window or the new one, never a mix: everything that may take long or
commit on its own (DDL, PUT, COPY) happens in a staging table first; then one transaction of DML
moves the fence, deletes and inserts. A process that dies before COMMIT leaves the old window.
Rows are never held but for a batch of them, nor on disk but for one file: a window may be a year.
"""

import logging
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.errors import WarehouseError
from telemetry_platform.lake.window import Window
from telemetry_platform.warehouse.columns import column_definitions, column_names
from telemetry_platform.warehouse.growth import grow

log = logging.getLogger(__name__)

# Snowflake loads files of 100 to 250 MB best; a warehouse loads several at a time.
FILE_BYTES = 100 * 2**20
# Rows of a row group in memory: large enough to pack well, small beside a file.
ROW_GROUP_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Snapshot:
    """Rows of a window as they are read from Delta at `version`; `batches` is consumed once."""

    table: Table
    window: Window
    version: int
    batches: Iterable[pa.RecordBatch]


@dataclass(frozen=True)
class Target:
    """Names in Snowflake of one table's copy and of this attempt's staging objects."""

    database: str
    table: Table
    attempt: str

    @property
    def name(self) -> str:
        """Table readers query."""
        return f"{self.database}.{self.table.stage.upper()}.{self.table.short_name.upper()}"

    @property
    def staging(self) -> str:
        """Table of this attempt alone; dropped at its end."""
        return f"{self.database}.OPS.STAGING_{self.table.name.replace('.', '_').upper()}_{self.attempt.upper()}"

    @property
    def stage(self) -> str:
        """Internal stage all attempts share; each puts under a path of its own."""
        return f"{self.database}.OPS.SYNC_STAGE"

    @property
    def control(self) -> str:
        """One row per table and partition: which Delta version readers see."""
        return f"{self.database}.OPS.SYNC_STATE"


def sync(connection: Any, database: str, snapshot: Snapshot, *, file_bytes: int = FILE_BYTES) -> int:
    """Make the window in Snowflake equal `snapshot`, staged in files of about `file_bytes`; returns the rows there now.

    Raises WarehouseError when a newer Delta version is already there: the rows read are then stale.
    """
    target = Target(database, snapshot.table, uuid.uuid4().hex[:12])
    cursor = connection.cursor()
    _prepare(cursor, target, snapshot)
    try:
        read = _load_staging(cursor, target, snapshot, file_bytes)
        return _publish(connection, cursor, target, snapshot, read)
    finally:
        with suppress(Exception):  # a dead connection must not hide what killed it
            cursor.execute(f"DROP TABLE IF EXISTS {target.staging}")
        cursor.close()


def _prepare(cursor: Any, target: Target, snapshot: Snapshot) -> None:
    """Create what is missing. Snowflake commits on DDL, so none of it may stand in the transaction."""
    table = snapshot.table
    cursor.execute(f"CREATE DATABASE IF NOT EXISTS {target.database}")
    for schema in ("OPS", table.stage.upper()):
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {target.database}.{schema}")
    cursor.execute(
        f"CREATE TABLE IF NOT EXISTS {target.control} (TABLE_NAME VARCHAR, PARTITION_DATE DATE, "
        "DELTA_VERSION NUMBER(18, 0), ROW_COUNT NUMBER(18, 0), ATTEMPT VARCHAR, SYNCED_TS TIMESTAMP_NTZ(6))"
    )
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {target.name} ({column_definitions(table)})")
    grow(cursor, target.name, table)
    cursor.execute(f"CREATE TRANSIENT TABLE {target.staging} ({column_definitions(table)})")
    cursor.execute(f"CREATE STAGE IF NOT EXISTS {target.stage}")
    _seed_control_rows(cursor, target, snapshot.window)


def _seed_control_rows(cursor: Any, target: Target, window: Window) -> None:
    """Give every partition of the window its control row, at a version below all others."""
    cursor.execute(
        f"SELECT PARTITION_DATE FROM {target.control} "
        f"WHERE TABLE_NAME = '{target.table.name}' AND {window.predicate('PARTITION_DATE')}"
    )
    known = {row[0] for row in cursor.fetchall()}
    missing = [day for day in window if day not in known]
    if missing:
        values = ", ".join(f"('{target.table.name}', DATE'{day}', -1, 0, 'none', NULL)" for day in missing)
        cursor.execute(f"INSERT INTO {target.control} VALUES {values}")


def _load_staging(cursor: Any, target: Target, snapshot: Snapshot, file_bytes: int) -> int:
    """Stage the rows file by file and load them at once; returns how many were read."""
    path = f"@{target.stage}/{target.table.name}/{target.attempt}"
    rows, groups = 0, _for_copy(snapshot, group_bytes=min(ROW_GROUP_BYTES, file_bytes))
    with tempfile.TemporaryDirectory() as folder:
        for file, count in _parquet_files(groups, Path(folder), file_bytes):
            rows += count
            cursor.execute(f"PUT 'file://{file}' {path}/ AUTO_COMPRESS = FALSE OVERWRITE = TRUE")
            file.unlink()
    if rows:
        cursor.execute(
            f"COPY INTO {target.staging} FROM {path}/ FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE) "
            "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
        )
    return rows


def _parquet_files(groups: Iterator[pa.Table], folder: Path, file_bytes: int) -> Iterator[tuple[Path, int]]:
    """Write files of about `file_bytes`, the next one after the last was taken; each with its rows."""
    number, group = 0, next(groups, None)
    while group is not None:
        file, rows = folder / f"rows-{number:05}.parquet", 0
        with pa.OSFile(str(file), "wb") as sink, pq.ParquetWriter(sink, group.schema, compression="snappy") as writer:
            while group is not None and (rows == 0 or sink.tell() < file_bytes):
                writer.write_table(group, row_group_size=group.num_rows)
                rows += group.num_rows
                group = next(groups, None)
        yield file, rows
        number += 1


def _for_copy(snapshot: Snapshot, *, group_bytes: int) -> Iterator[pa.Table]:
    """Rows in the contract's order, upper-case names, times without a zone (they are UTC), a row group at a time."""
    group: list[pa.RecordBatch] = []
    for batch in snapshot.batches:
        if batch.num_rows:
            group.append(_converted(batch, snapshot.table))
        if sum(part.nbytes for part in group) >= group_bytes:
            yield pa.Table.from_batches(group)
            group = []
    if group:
        yield pa.Table.from_batches(group)


def _converted(batch: pa.RecordBatch, table: Table) -> pa.RecordBatch:
    columns = {}
    for field in table.schema.fields:
        values = batch.column(field.name)
        if pa.types.is_timestamp(values.type):
            values = values.cast(pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us"))
        columns[field.name.upper()] = values
    return pa.RecordBatch.from_pydict(columns)


def _publish(connection: Any, cursor: Any, target: Target, snapshot: Snapshot, read: int) -> int:
    """Fence, delete, insert, count, commit. The fence row makes a concurrent older attempt fail or wait.

    `read` is the number of rows that were read from Delta: as many must arrive.
    """
    table, window = snapshot.table, snapshot.window
    days = window.predicate(table.date_column.upper())
    fence = f"TABLE_NAME = '{table.name}' AND {window.predicate('PARTITION_DATE')}"
    cursor.execute("BEGIN")
    try:
        cursor.execute(
            f"UPDATE {target.control} SET DELTA_VERSION = {snapshot.version}, ROW_COUNT = 0, "
            f"ATTEMPT = '{target.attempt}', SYNCED_TS = CURRENT_TIMESTAMP()::TIMESTAMP_NTZ "
            f"WHERE {fence} AND DELTA_VERSION <= {snapshot.version}"
        )
        if cursor.rowcount != len(window):
            raise WarehouseError(
                f"{table.name} {window}: the warehouse already holds a newer Delta version than {snapshot.version} "
                f"for {len(window) - (cursor.rowcount or 0)} of {len(window)} days. Materialize the copy again."
            )
        cursor.execute(f"DELETE FROM {target.name} WHERE {days}")
        names = column_names(table)
        cursor.execute(f"INSERT INTO {target.name} ({names}) SELECT {names} FROM {target.staging}")
        cursor.execute(
            f"UPDATE {target.control} SET ROW_COUNT = c.N FROM (SELECT {table.date_column.upper()} AS D, "
            f"COUNT(*) AS N FROM {target.staging} GROUP BY 1) AS c WHERE PARTITION_DATE = c.D AND {fence}"
        )
        cursor.execute(f"SELECT COUNT(*) FROM {target.name} WHERE {days}")
        there = int(cursor.fetchone()[0])
        if there != read:
            raise WarehouseError(f"{table.name} {window}: {there} rows arrived of {read}.")
        connection.commit()
    except BaseException:
        # The resource would commit a forgotten transaction on a clean exit.
        with suppress(Exception):
            connection.rollback()
        raise
    log.info("event=synced table=%s window=%s version=%d rows=%d", table.name, window, snapshot.version, there)
    return there
