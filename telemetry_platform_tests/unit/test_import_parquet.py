"""Parquet for `telemetry import`: rows and files that cannot be read, ids, times, amounts and properties."""

import json
import uuid
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telemetry_platform.cli import imports
from telemetry_platform.cli.import_reading import read_events
from telemetry_platform.cli.imports import batches, send_file, validate_file
from telemetry_platform.cli.unreadable import Unreadable
from telemetry_platform.errors import CollectorError
from telemetry_platform.settings import read_settings
from telemetry_platform_tests.unit.test_client import Served, server

__all__ = ["server"]

UUID = uuid.UUID("f88c683f-d28b-581c-82bb-c915ede21b52")
FAR = 2**63 - 1


def ints(kind: pa.DataType, *values: int) -> pa.Array:
    return pa.array(values, pa.int64()).cast(kind)


def columns(**changes: Any) -> dict[str, Any]:
    """Columns of three heartbeats."""
    return {
        "event_id": [str(uuid.UUID(int=number)) for number in range(3)],
        "event_name": ["heartbeat"] * 3,
        "event_version": [1] * 3,
        "created_ts": ["2024-03-10T12:00:00Z"] * 3,
        "player_id": ["p-1"] * 3,
    } | changes


def write(folder: Path, table: dict[str, Any] | pa.Table, **options: Any) -> Path:
    file = folder / "events.parquet"
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), file, **options)
    return file


def read(file: Path, after: int = 0) -> list[bytes | Unreadable]:
    with file.open("rb") as source:
        return list(read_events(file, source, after=after))


def sent(file: Path, after: int = 0) -> list[dict[str, Any]]:
    """The rows that are events."""
    return [json.loads(event) for event in read(file, after) if isinstance(event, bytes)]


def dry_run(folder: Path, file: Path) -> tuple[int, dict[str, int]]:
    settings = read_settings({"TELEMETRY_HOME": str(folder / "home"), "TELEMETRY_START_DATE": "2023-01-01"})
    summary = validate_file(settings, file, "g")
    assert summary.read == summary.accepted + summary.rejected.total()
    return summary.accepted, dict(summary.rejected)


def test_whole_numbers_of_any_type_are_integers_where_the_contract_wants_them(tmp_path: Path):
    amounts = {"transaction_id": ["a", "b", "c"], "product_id": ["p"] * 3, "currency": ["EUR"] * 3}
    decimals = (pa.decimal32(9, 0), pa.decimal64(18, 3), pa.decimal128(38, 0), pa.decimal256(40, 4))
    for kind in (*decimals, pa.float64(), pa.float32(), pa.uint64()):
        table = pa.table(columns(event_name=["purchase"] * 3))
        prices = pa.array([1, 499, 5000], pa.int16()).cast(kind)
        properties = pa.table(amounts | {"price_minor": prices}).to_struct_array().combine_chunks()
        table = table.set_column(2, "event_version", pa.array([1] * 3, pa.int16()).cast(kind))
        file = write(tmp_path, table.append_column("properties", properties))
        assert dry_run(tmp_path, file) == (3, {}), kind
        assert [one["properties"]["price_minor"] for one in sent(file)] == [1, 499, 5000]


@pytest.mark.parametrize(
    "kind", [pa.timestamp("s"), pa.timestamp("ms", "UTC"), pa.timestamp("us"), pa.timestamp("ns", "Asia/Tokyo")]
)
def test_times_of_every_unit_and_zone_are_the_same_moment(tmp_path: Path, kind: pa.TimestampType):
    times = ints(pa.timestamp("s"), *[1_710_072_000] * 3).cast(kind)
    file = write(tmp_path, columns(created_ts=times))
    assert dry_run(tmp_path, file) == (3, {})
    assert {one["created_ts"][:19] for one in sent(file)} == {"2024-03-10T12:00:00"}


def test_a_time_that_no_date_holds_costs_only_its_row(tmp_path: Path):
    times = ints(pa.timestamp("us", "UTC"), 1_710_072_000_000_000, FAR, 1_710_072_001_000_000)
    file = write(tmp_path, columns(created_ts=times))
    assert dry_run(tmp_path, file) == (2, {"schema_violation": 1})
    (batch,) = batches(iter(read(file)))
    assert batch.unsendable == [
        (
            2,
            "schema_violation",
            "/created_ts: 9223372036854.775807 seconds after 1970 is a time outside the years 1 to 9999",
        )
    ]
    assert ([number for number, _ in batch.events], batch.end) == ([1, 3], 3)


@pytest.mark.parametrize(
    "kind", [pa.binary(16), pa.binary(), pa.uuid(), pa.dictionary(pa.int32(), pa.binary()), pa.string(), pa.binary(36)]
)
def test_event_ids_may_be_the_bytes_of_a_uuid_or_its_text(tmp_path: Path, kind: Any):
    raw = [uuid.UUID(int=number << 64).bytes for number in range(3)]
    texts = [str(uuid.UUID(bytes=one)) for one in raw]
    if kind == pa.string() or kind == pa.binary(36):
        ids = pa.array([text.encode() for text in texts]).cast(kind)
    elif isinstance(kind, pa.DictionaryType):
        ids = pa.array(raw).dictionary_encode()
    else:
        ids = pa.array(raw, kind)
    file = write(tmp_path, columns(event_id=ids))
    assert [one["event_id"] for one in sent(file)] == texts
    assert dry_run(tmp_path, file) == (3, {})


@pytest.mark.parametrize(
    "text",
    [
        '{}, "player_id": "x"',
        '{}}, {"event_id": "f88c683f-d28b-581c-82bb-c915ede21b52"',
        "{}}]}",
        '{"a": 1}{"b": 2}',
        '{"a": 1',
        '{"a": "x}',
        "[]",
        '"text"',
        "7",
        "null",
        "",
        " ",
        "\u00a0{}",
        "[" * 100_000,
    ],
)
@pytest.mark.parametrize("kind", [pa.string(), pa.binary(), pa.json_()])
def test_properties_that_are_not_one_json_object_are_rejected_and_reach_no_other_key(
    tmp_path: Path, text: str, kind: pa.DataType
):
    storage = pa.array(["{}", text, '{"level": "L"}'])
    array = storage.cast(kind) if kind == pa.binary() else pa.array(storage.to_pylist(), kind)
    file = write(tmp_path, columns(properties=array))
    _, second, _ = read(file)
    assert isinstance(second, Unreadable)
    assert second.message.startswith("/properties: the text is not one JSON")
    assert [(one["player_id"], one["properties"]) for one in sent(file)] == [("p-1", {}), ("p-1", {"level": "L"})]
    assert dry_run(tmp_path, file) == (2, {"unreadable_event": 1})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": NaN}', {"number_not_finite": 1}),
        ('{"a": 1e999}', {"number_not_finite": 1}),
        ('{"a": "\\ud800"}', {"invalid_string": 1}),
        ('{"a": "\\u0000"}', {"invalid_string": 1}),
    ],
)
def test_json_that_only_a_lenient_parser_takes_is_rejected_for_its_reason(
    tmp_path: Path, text: str, expected: dict[str, int]
):
    assert dry_run(tmp_path, write(tmp_path, columns(properties=["{}", text, None]))) == (2, expected)


def test_numbers_in_json_text_keep_their_digits(tmp_path: Path):
    text = ' {"a": 0.10, "b": 123456789012345678901234567890, "c": 1E+2}\n'
    (event, *_) = read(write(tmp_path, columns(properties=[text, "{}", "{}"])))
    assert isinstance(event, bytes)
    assert event.endswith(b'"properties":' + text.strip().encode() + b"}")


def test_a_map_is_as_good_as_a_struct_for_properties(tmp_path: Path):
    rows = [[("level", "L1")], [("level", "L2"), ("level", "L3")], None]
    properties = pa.array(rows, pa.map_(pa.string(), pa.string()))
    file = write(tmp_path, columns(event_name=["level_started", "level_started", "heartbeat"], properties=properties))
    assert dry_run(tmp_path, file) == (2, {"schema_violation": 1})
    assert [one.get("properties") for one in sent(file)] == [{"level": "L1"}, None]


def test_a_row_is_rejected_with_the_place_of_its_value(tmp_path: Path):
    properties = pa.array([{"a": {"b": [0.5, float("inf")]}}, None, {"a": None}])
    file = write(tmp_path, columns(properties=properties))
    assert read(file)[0] == Unreadable("number_not_finite", "/properties/a/b/1: inf is not a finite number")
    assert [one.get("properties") for one in sent(file)] == [None, {}]


@pytest.mark.parametrize("after", [0, 1, 999, 1000, 1001, 1500, 1501, 2999, 3000, 9000])
def test_reading_goes_on_at_any_row_of_any_group(tmp_path: Path, after: int):
    values = pa.array([[{"n": number}] if number % 7 else None for number in range(3000)])
    file = write(tmp_path, {"number": list(range(3000)), "value": values}, row_group_size=1500)
    expected = [{"number": n} | ({"value": [{"n": n}]} if n % 7 else {}) for n in range(after, 3000)]
    assert sent(file, after) == expected


def test_a_file_without_rows_has_no_events(tmp_path: Path):
    assert read(write(tmp_path, pa.table(columns()).slice(0, 0))) == []


def test_a_file_that_duckdb_wrote_keeps_its_values(tmp_path: Path):
    file = tmp_path / "events.parquet"
    duckdb.sql(f"""
        COPY (SELECT '{UUID}'::UUID AS event_id, 'purchase' AS event_name, 1::HUGEINT AS event_version,
            TIMESTAMPTZ '2024-03-10 12:00:00+00' AS created_ts, 'p-1' AS player_id,
            json_object('transaction_id', 't', 'product_id', 'p', 'currency', 'EUR', 'price_minor', 499) AS properties)
        TO '{file}' (FORMAT parquet)
    """)
    assert [one["event_id"] for one in sent(file)] == [str(UUID)]
    assert dry_run(tmp_path, file) == (1, {})


def test_maps_and_lists_that_duckdb_wrote_keep_their_values(tmp_path: Path):
    file = tmp_path / "events.parquet"
    duckdb.sql(f"""
        COPY (SELECT MAP {{'level': 'L1'}} AS properties, [1.5, NULL] AS list, {{'a': 1::DECIMAL(5, 0)}} AS struct,
            '\\xC3\\xA9'::BLOB AS bytes, 3::DOUBLE AS whole, DATE '2024-03-10' AS day, TIME '12:00:00' AS time)
        TO '{file}' (FORMAT parquet)
    """)
    assert sent(file) == [
        {
            "properties": {"level": "L1"},
            "list": [1.5, None],
            "struct": {"a": 1},
            "bytes": "é",
            "whole": 3,
            "day": "2024-03-10",
            "time": "12:00:00",
        }
    ]


def test_an_interrupted_import_goes_on_behind_rows_that_cannot_be_converted(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(imports, "BATCH_EVENTS", 1)
    port = server.url.rpartition(":")[2]
    settings = read_settings({"TELEMETRY_HOME": str(tmp_path / "home"), "TELEMETRY_COLLECTOR_PORT": port})
    times = ints(pa.timestamp("us", "UTC"), 1_710_072_000_000_000, FAR, 1_710_072_001_000_000)
    file = write(tmp_path, columns(created_ts=times))
    server.script = [(202, {"accepted": 1, "rejected": []}, {}), (401, {"error_type": "unknown_key"}, {})]
    with pytest.raises(CollectorError, match=r"The same command goes on after event 2\."):
        send_file(settings, file, "g", "k")
    summary = send_file(settings, file, "g", "k")
    assert (summary.read, summary.accepted, dict(summary.rejected)) == (3, 2, {"schema_violation": 1})
    assert [one[-1] for one in server.event_ids()] == ["0", "2", "2"]
