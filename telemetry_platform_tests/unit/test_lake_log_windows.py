"""Windows of a table counted and read by the log alone: only their files are opened, in the contract's columns."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql.types import (
    DateType,
    DecimalType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.errors import LakeError, LogTruncated
from telemetry_platform.lake.log import Contents, contents, contents_of_commit, dataset_of, read_window
from telemetry_platform.lake.snapshot import Days
from telemetry_platform.lake.window import Window

PRICE = StructType([StructField("amount", DecimalType(18, 6)), StructField("currency", StringType())])
TABLE = Table(
    name="silver.prices",
    description="Rows of these tests.",
    schema=StructType(
        [
            StructField("event_date", DateType()),
            StructField("game_id", StringType()),
            StructField("id", LongType()),
            StructField("event_ts", TimestampType()),
            StructField("price", PRICE),
        ]
    ),
    keys=("id",),
    date_column="event_date",
    partition_by=("event_date", "game_id"),
)
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
SECOND = Window.of_days(date(2024, 3, 2), date(2024, 3, 2))


def rows(day: int, ids: list[int], game: str | None = "g") -> pa.Table:
    count = len(ids)
    price = {"amount": Decimal("1.250000"), "currency": "EUR"}
    return pa.table(
        {
            "game_id": pa.array([game] * count, pa.string()),
            "price": pa.array(
                [price] * count, pa.struct([("amount", pa.decimal128(18, 6)), ("currency", pa.string())])
            ),
            "event_date": pa.array([date(2024, 3, day)] * count, pa.date32()),
            "id": pa.array(ids, pa.int64()),
            "event_ts": pa.array([NOON] * count, pa.timestamp("us", "UTC")),
        }
    )


def write(lake: Path, frame: pa.Table, **options: str) -> DeltaTable:
    address = lake / "silver/prices"
    address.parent.mkdir(exist_ok=True)
    write_deltalake(address, frame, mode="append", partition_by=["event_date", "game_id"], **options)
    return DeltaTable(address)


def read(lake: Path, table: Table = TABLE, window: Window = SECOND) -> tuple[int, pa.Table]:
    version, batches = read_window(str(lake), table, window)
    return version, pa.Table.from_batches(list(batches)).sort_by("id")


def test_a_window_is_read_in_the_contracts_columns_order_and_types(tmp_path: Path):
    for day in (1, 2, 3):
        write(tmp_path, rows(day, [day * 10, day * 10 + 1]))
    version, frame = read(tmp_path)
    assert version == 2
    assert frame.schema.names == ["event_date", "game_id", "id", "event_ts", "price"]
    assert frame.schema.field("event_ts").type == pa.timestamp("us", "UTC")
    price = {"amount": Decimal("1.250000"), "currency": "EUR"}
    assert frame.to_pylist() == [
        {"event_date": date(2024, 3, 2), "game_id": "g", "id": number, "event_ts": NOON, "price": price}
        for number in (20, 21)
    ]


def test_only_the_files_of_the_window_are_opened(tmp_path: Path):
    write(tmp_path, rows(1, [1]))
    write(tmp_path, rows(2, [2])).create_checkpoint()
    write(tmp_path, rows(3, [3]))
    for file in (
        *tmp_path.rglob("event_date=2024-03-01/**/*.parquet"),
        *tmp_path.rglob("event_date=2024-03-03/**/*.parquet"),
    ):
        file.write_bytes(b"no Parquet")
    assert read(tmp_path)[1]["id"].to_pylist() == [2]


def test_a_file_that_is_removed_while_the_window_is_read_is_an_error_and_no_missing_row(tmp_path: Path):
    write(tmp_path, rows(2, [1]))
    _, batches = read_window(str(tmp_path), TABLE, SECOND)
    for file in tmp_path.rglob("*.parquet"):
        file.unlink()
    with pytest.raises(LakeError, match="was removed while the table was read"):
        list(batches)


def test_a_column_the_contract_has_gained_reads_as_null_in_older_files(tmp_path: Path):
    write(tmp_path, rows(2, [1]).drop_columns(["price", "event_ts"]))
    write(tmp_path, rows(2, [2]), schema_mode="merge")
    frame = read(tmp_path)[1]
    assert frame["event_ts"].to_pylist() == [None, NOON]
    assert frame["price"].to_pylist()[0] is None


def test_a_column_the_contract_does_not_have_is_left_in_the_files(tmp_path: Path):
    write(tmp_path, rows(2, [1]).append_column("later", pa.array([1])))
    assert "later" not in read(tmp_path)[1].schema.names


def test_a_game_of_any_name_and_of_none_is_read_as_it_was_written(tmp_path: Path):
    games = ["ü :%/=*?[x]", "2048", None]
    for number, game in enumerate(games):
        write(tmp_path, rows(2, [number], game))
    assert read(tmp_path)[1]["game_id"].to_pylist() == games
    table = dataset_of(str(tmp_path), TABLE, Days.of("event_date", SECOND)).to_table().sort_by("id")
    assert table["game_id"].to_pylist() == games


def test_a_table_that_is_not_partitioned_by_day_is_read_by_its_rows(tmp_path: Path):
    (tmp_path / "silver").mkdir()
    write_deltalake(tmp_path / "silver/prices", pa.concat_tables([rows(1, [1]), rows(2, [2])]))
    assert read(tmp_path, replace(TABLE, partition_by=()))[1]["id"].to_pylist() == [2]


def test_memory_of_a_read_does_not_grow_with_the_window(tmp_path: Path):
    for day in range(1, 9):
        frame = pa.concat_tables([rows(day, list(range(50_000)))])
        write(tmp_path, frame)
    _, batches = read_window(str(tmp_path), TABLE, Window.of_days(date(2024, 3, 1), date(2024, 3, 8)))
    before, most, count = pa.total_allocated_bytes(), 0, 0
    for batch in batches:
        most = max(most, pa.total_allocated_bytes() - before)
        count += batch.num_rows
    assert count == 400_000
    assert most < 10 * 2**20  # the window has 35 MB in Arrow


def test_a_commits_own_rows_are_counted_from_that_commit(tmp_path: Path):
    write(tmp_path, rows(1, [1, 2]))
    write(tmp_path, pa.concat_tables([rows(2, [3]), rows(3, [4, 5], "h")]))
    write(tmp_path, rows(2, [6]))
    assert contents_of_commit(str(tmp_path), TABLE, 1) == Contents(
        1, 3, {date(2024, 3, 2): 1, date(2024, 3, 3): 2}, {"g": 1, "h": 2}
    )
    with pytest.raises(LogTruncated, match="does not hold version 3"):
        contents_of_commit(str(tmp_path), TABLE, 3)


@pytest.mark.parametrize("has_checkpoint", [True, False])
def test_a_window_is_counted_without_the_days_around_it(tmp_path: Path, has_checkpoint: bool):
    for day in (1, 2, 3):
        table = write(tmp_path, pa.concat_tables([rows(day, [1]), rows(day, [2, 3], "h")]))
    if has_checkpoint:
        table.create_checkpoint()
    assert contents(str(tmp_path), TABLE, SECOND) == Contents(2, 3, {date(2024, 3, 2): 3}, {"g": 1, "h": 2})
    assert contents(str(tmp_path), TABLE).rows == 9


def test_a_checkpoint_of_an_unknown_kind_is_refused_and_not_taken_for_an_old_table(tmp_path: Path):
    table = write(tmp_path, rows(1, [1]))
    write(tmp_path, rows(2, [2]))
    table.update_incremental()
    table.create_checkpoint()
    log = tmp_path / "silver/prices/_delta_log"
    (checkpoint,) = log.glob("*.checkpoint.parquet")
    checkpoint.rename(log / f"{1:020}.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.parquet")
    (log / f"{1:020}.json").unlink()
    with pytest.raises(LakeError, match="checkpoint 1 is missing or of a kind that is not read here"):
        contents(str(tmp_path), TABLE)
