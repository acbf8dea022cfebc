"""Tables written under a smaller contract, by literals of the time, meet the contract of today."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession
from pyspark.sql.types import (
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructType,
)

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.contracts.tables.column import column
from telemetry_platform.contracts.tables.table import Table
from telemetry_platform.errors import LakeError
from telemetry_platform.lake.growth import missing_columns
from telemetry_platform.lake.tables import Lake
from telemetry_platform.lake.window import Window

# Frozen: the columns before any was added, whatever the contracts have become.
FIRST_TABLES = json.loads(Path(__file__).parent.with_name("first_tables.json").read_text())
DAY = date(2026, 1, 1)
SHEET = Table(
    name="gold.sheet",
    description="A table of this test.",
    schema=StructType(
        [
            column("event_date", DateType(), "UTC day."),
            column("game_id", StringType(), "Game."),
            column("dau", LongType(), "Players active."),
            column("revenue", DecimalType(18, 6), "USD."),
        ]
    ),
    keys=("event_date", "game_id"),
    date_column="event_date",
    partition_by=("event_date", "game_id"),
)
NEW = column("mood", StringType(), "How the players' day was: it's new.")
# First columns, which the contract gains in the middle and the table at its end.
GROWN = replace(SHEET, schema=StructType([*SHEET.schema.fields[:2], NEW, *SHEET.schema.fields[2:]]))


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake whose sheet was written under the smaller contract, which then grew."""
    made = Lake(str(tmp_path), spark)
    made.ensure(SHEET)
    write_deltalake(path_of(made), rows(dau=7), mode="append")
    monkeypatch.setitem(TABLES, "gold.sheet", GROWN)
    return made


def columns_of(path: str) -> StructType:
    return StructType.fromJson(json.loads(DeltaTable(path).schema().to_json()))


def path_of(lake: Lake) -> str:
    return f"{lake.root}/gold/sheet"


def rows(**columns: object) -> pa.Table:
    schema = pa.schema(
        [("event_date", pa.date32()), ("game_id", pa.string()), ("dau", pa.int64()), ("revenue", pa.decimal128(18, 6))]
    )
    return pa.Table.from_pylist([{"event_date": DAY, "game_id": "g", "dau": 1, "revenue": 1} | columns], schema=schema)


def with_column(name: str, data_type: DataType | None) -> Table:
    """The sheet with one column of another type, or without it."""
    fields = [one for one in SHEET.schema.fields if one.name != name or data_type is not None]
    return replace(
        SHEET,
        schema=StructType([column(name, data_type, "") if data_type and one.name == name else one for one in fields]),
    )


def test_reading_a_table_that_has_not_grown_yet_gives_null_in_the_contracts_order(lake: Lake):
    found = lake.read("gold.sheet", [Window.of_days(DAY, DAY)])
    assert found.columns == ["event_date", "game_id", "mood", "dau", "revenue"]
    assert [(row.mood, row.dau) for row in found.collect()] == [(None, 7)]
    assert DeltaTable(path_of(lake)).version() == 1


def test_a_column_of_the_contract_is_added_with_its_comment_and_old_rows_hold_null(lake: Lake):
    lake.ensure(GROWN)
    added = columns_of(path_of(lake)).fields[-1]
    assert (added.name, added.dataType, added.metadata["comment"]) == ("mood", StringType(), NEW.metadata["comment"])
    new = lake.spark.createDataFrame([(DAY, "h", "good", 9)], "event_date date, game_id string, mood string, dau long")
    new.write.format("delta").mode("append").save(path_of(lake))
    found = lake.read("gold.sheet").orderBy("game_id").select("game_id", "mood", "dau").collect()
    assert [tuple(row) for row in found] == [("g", None, 7), ("h", "good", 9)]
    grown = DeltaTable(path_of(lake)).version()
    lake.ensure(GROWN)
    assert DeltaTable(path_of(lake)).version() == grown


@pytest.mark.parametrize(
    ("contract", "says"),
    [
        (with_column("dau", None), "gold.sheet.dau is bigint in the lake, and the contract no longer has it"),
        (with_column("dau", IntegerType()), "gold.sheet.dau is bigint in the lake, and the contract makes it int"),
        (with_column("dau", DoubleType()), "the contract makes it double"),
        (with_column("revenue", DecimalType(18, 2)), r"revenue is decimal\(18,6\) .* makes it decimal\(18,2\)"),
        (with_column("revenue", DecimalType(28, 6)), r"revenue is decimal\(18,6\) .* makes it decimal\(28,6\)"),
        (replace(SHEET, partition_by=("game_id", "event_date")), "is partitioned by event_date, game_id"),
    ],
    ids=["removed", "narrowed", "retyped", "scale lost", "widened", "partitions reordered"],
)
def test_any_other_change_is_refused_and_the_table_untouched(lake: Lake, contract: Table, says: str):
    also_grown = replace(contract, schema=StructType([*contract.schema.fields, NEW]))
    before = files_of(lake)
    with pytest.raises(LakeError, match=says):
        lake.ensure(also_grown)
    assert DeltaTable(path_of(lake)).version() == 1
    assert files_of(lake) == before


def test_a_new_column_that_may_not_be_null_is_refused(lake: Lake):
    strict = StructType.fromJson(json.loads(StructType([NEW]).json().replace('"nullable":true', '"nullable":false')))
    with pytest.raises(LakeError, match=r"gold\.sheet\.mood is new and NOT NULL"):
        missing_columns(SHEET.schema, replace(SHEET, schema=StructType([*SHEET.schema.fields, *strict.fields])))


def files_of(lake: Lake) -> set[Path]:
    return {path for path in Path(path_of(lake)).rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", sorted(FIRST_TABLES))
def test_a_table_written_under_its_first_contract_takes_the_contract_of_today(
    name: str, spark: SparkSession, tmp_path: Path
):
    was, today, lake = FIRST_TABLES[name], TABLES[name], Lake(str(tmp_path), spark)
    columns = ", ".join(f"CAST(NULL AS {kind}) AS {column}" for column, kind in was["columns"].items())
    path = f"{tmp_path}/{name.replace('.', '/')}"
    spark.sql(f"SELECT {columns}").write.format("delta").partitionBy(*was["partition_by"]).save(path)
    lake.ensure(today)
    assert missing_columns(columns_of(path), today) == []
    found = lake.read(name)
    assert found.schema.fieldNames() == today.schema.fieldNames()
    assert found.count() == 1
