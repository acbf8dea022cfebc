"""Tables of many files, made in seconds: a few real Parquet files under many names, and a log that names them."""

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from pyspark.sql.pandas.types import to_arrow_schema

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.lake.log import table_path

FIRST_DAY = date(2010, 1, 1)
EVENTS = TABLES["silver.events"]
ROWS_A_FILE = 20
# A file system allows one file so many names at most: 65,000 on ext4.
NAMES_A_FILE = 20_000
# Commits after the newest checkpoint, each of one file: what a reader finds between two checkpoints.
NEWER_COMMITS = 5


@dataclass(frozen=True)
class Layout:
    """How many files a table has: days × games × files of each."""

    days: int
    games: int
    files: int = 1

    @property
    def count(self) -> int:
        """Files in the table."""
        return self.days * self.games * self.files

    @property
    def last_day(self) -> date:
        """The newest day."""
        return FIRST_DAY + timedelta(days=self.days - 1)

    def partitions(self) -> Iterator[tuple[str, str]]:
        """Day and game of each file."""
        for day in range(self.days):
            text = (FIRST_DAY + timedelta(days=day)).isoformat()
            for game in range(self.games):
                for _ in range(self.files):
                    yield text, f"game{game:03}"


def write_table(lake: Path, layout: Layout, table: Table = EVENTS) -> None:
    """Write a table of `layout`; the files of a partition hold the same rows."""
    address = Path(table_path(str(lake), table.name))
    with tempfile.TemporaryDirectory(dir=lake.parent) as folder:
        header, add = _template(Path(folder), table)
        source = Path(folder) / add["path"]
        lines = []
        for number, (day, game) in enumerate(layout.partitions()):
            if number % NAMES_A_FILE == 0:
                source = _copied(source, Path(folder) / f"{number}.parquet")
            path = f"event_date={day}/game_id={game}/part-{number:08x}-c000.zstd.parquet"
            (address / path).parent.mkdir(parents=True, exist_ok=True)
            os.link(source, address / path)
            values = {"event_date": day, "game_id": game}
            # No two files of a lake have the same statistics, or a checkpoint would pack them into nothing.
            stats = add["stats"].replace("event_id-", f"{number:08x}-")
            lines.append(json.dumps({"add": add | {"path": path, "partitionValues": values, "stats": stats}}))
    _write_log(address, header, lines)


def _write_log(address: Path, header: list[str], lines: list[str]) -> None:
    log = address / "_delta_log"
    log.mkdir(parents=True)
    older, newer = lines[:-NEWER_COMMITS], lines[-NEWER_COMMITS:]
    (log / f"{0:020}.json").write_text("\n".join(header + older))
    DeltaTable(address).create_checkpoint()
    for version, line in enumerate(newer, start=1):
        info = json.dumps({"commitInfo": {"timestamp": 0, "operation": "WRITE"}})
        (log / f"{version:020}.json").write_text(f"{info}\n{line}")


def _template(folder: Path, table: Table) -> tuple[list[str], dict[str, Any]]:
    """Write one file as delta-rs does; the log's header, and what the log says of the file."""
    write_deltalake(folder, _rows(table), partition_by=list(table.partition_by))
    text = (folder / "_delta_log" / f"{0:020}.json").read_text()
    actions = [json.loads(line) for line in text.splitlines()]
    header = [json.dumps(action) for action in actions if "metaData" in action or "protocol" in action]
    (add,) = (action["add"] for action in actions if "add" in action)
    return header, add


def _rows(table: Table) -> pa.Table:
    schema = to_arrow_schema(table.schema, timezone="UTC")
    return pa.table([_values(field.type, field.name) for field in schema], schema=schema)


def _values(kind: pa.DataType, name: str) -> pa.Array:
    if pa.types.is_timestamp(kind):
        start = datetime(2024, 3, 1, tzinfo=UTC)
        return pa.array([start + timedelta(seconds=second) for second in range(ROWS_A_FILE)], kind)
    if pa.types.is_date(kind):
        return pa.array([FIRST_DAY] * ROWS_A_FILE, kind)
    if pa.types.is_string(kind):
        varies = name not in ("game_id", "event_date")
        return pa.array([f"{name}-{row if varies else 0:08}" for row in range(ROWS_A_FILE)], kind)
    return pa.array(range(ROWS_A_FILE), pa.int64()).cast(kind)


def _copied(source: Path, target: Path) -> Path:
    target.write_bytes(source.read_bytes())
    return target
