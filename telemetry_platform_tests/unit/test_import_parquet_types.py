"""Parquet for `telemetry import`: what becomes of every type of Arrow."""

import json
import re
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import lib  # type: ignore[attr-defined]

from telemetry_platform.cli.unreadable import Unreadable
from telemetry_platform.settings import PROJECT_ROOT
from telemetry_platform_tests.unit.test_import_parquet import FAR, ints, read, write

UUID = uuid.UUID("f88c683f-d28b-581c-82bb-c915ede21b52")
INVALID = {"invalid_string"}
NOT_FINITE = {"number_not_finite"}
VIOLATION = {"schema_violation"}
UNREADABLE = {"unreadable_event"}
ABSENT = None

Value = str | set[str] | None


def text_of_bytes(*values: bytes) -> pa.Array:
    """Text as writers leave it that do not look whether it is UTF-8."""
    whole = pa.array(list(values))
    return pa.Array.from_buffers(pa.string(), len(values), whole.buffers())


def decimals(kind: pa.DataType, *values: str) -> pa.Array:
    return pa.array([Decimal(value) for value in values], kind)


def extension(kind: pa.ExtensionType, *values: Any) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))


# Each column's values as JSON text, a set with the type of the reject, or None where the key is left out.
COLUMNS: list[tuple[str, pa.Array, list[Value]]] = [
    ("null", pa.nulls(1), [ABSENT]),
    ("bool", pa.array([True, False, None]), ["true", "false", ABSENT]),
    ("int8", pa.array([-128], pa.int8()), ["-128"]),
    ("int16", pa.array([-32768], pa.int16()), ["-32768"]),
    ("int32", pa.array([-(2**31)], pa.int32()), [str(-(2**31))]),
    ("int64", pa.array([-(2**63), None], pa.int64()), [str(-(2**63)), ABSENT]),
    ("uint8", pa.array([255], pa.uint8()), ["255"]),
    ("uint16", pa.array([65535], pa.uint16()), ["65535"]),
    ("uint32", pa.array([2**32 - 1], pa.uint32()), [str(2**32 - 1)]),
    ("uint64", pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)]),
    ("halffloat", pa.array([3.0, 0.5, float("nan"), float("inf")], pa.float16()), ["3", "0.5", ABSENT, NOT_FINITE]),
    ("float", pa.array([3.0, 0.5, float("nan"), float("-inf")], pa.float32()), ["3", "0.5", ABSENT, NOT_FINITE]),
    (
        "double",
        pa.array([3.0, 0.1, -0.0, 2.0**53, 1e300, float("nan"), float("inf"), None]),
        ["3", "0.1", "0", "9007199254740992", "1e300", ABSENT, NOT_FINITE, ABSENT],
    ),
    ("decimal32", decimals(pa.decimal32(9, 2), "7.00", "-0.10"), ["7", "-0.10"]),
    ("decimal64", decimals(pa.decimal64(18, 0), "7"), ["7"]),
    ("decimal128", decimals(pa.decimal128(38, 0), "9" * 38, "-1"), ["9" * 38, "-1"]),
    (
        "decimal128",
        decimals(pa.decimal128(38, 18), "12345678901234567890.123456789012345678"),
        ["12345678901234567890.123456789012345678"],
    ),
    ("decimal256", decimals(pa.decimal256(76, 10), "9" * 66, "0.0000000001"), ["9" * 66, "0.0000000001"]),
    ("string", pa.array(['é\n"', "", None]), ['"é\\n\\""', '""', ABSENT]),
    ("string", text_of_bytes(b"a", b"\xff", b"b"), ['"a"', INVALID, '"b"']),
    ("large_string", pa.array(["x"], pa.large_string()), ['"x"']),
    (
        "string_view",
        pa.array(["x", "longer than what a view has inside it"], pa.string_view()),
        ['"x"', '"longer than what a view has inside it"'],
    ),
    ("binary", pa.array([b"\xc3\xa9", b"\xff", None]), ['"é"', INVALID, ABSENT]),
    ("large_binary", pa.array([b"x", b"\xff"], pa.large_binary()), ['"x"', INVALID]),
    ("fixed_size_binary", pa.array([b"xy", b"\xff\xfe"], pa.binary(2)), ['"xy"', INVALID]),
    ("binary_view", pa.array([b"x", b"\xff"], pa.binary_view()), ['"x"', INVALID]),
    (
        "date32",
        pa.array([0, 2932896, 2932897, -719162, -719163, 2**31 - 1], pa.int32()).cast(pa.date32()),
        ['"1970-01-01"', '"9999-12-31"', VIOLATION, '"0001-01-01"', VIOLATION, VIOLATION],
    ),
    ("date64", ints(pa.date64(), 86_400_000, 2932897 * 86_400_000), ['"1970-01-02"', VIOLATION]),
    (
        "time32",
        ints(pa.int32(), 0, 86_399, 86_400, -1).cast(pa.time32("s")),
        ['"00:00:00"', '"23:59:59"', VIOLATION, VIOLATION],
    ),
    ("time32", ints(pa.int32(), 1).cast(pa.time32("ms")), ['"00:00:00.001000"']),
    ("time64", ints(pa.time64("us"), 1, 86_400_000_000), ['"00:00:00.000001"', VIOLATION]),
    ("time64", ints(pa.time64("ns"), 1_000_000_001), ['"00:00:01.000000001"']),
    ("timestamp", ints(pa.timestamp("s"), 1_710_072_000), ['"2024-03-10T12:00:00Z"']),
    ("timestamp", ints(pa.timestamp("ms"), 1_710_072_000_123, FAR), ['"2024-03-10T12:00:00.123000Z"', VIOLATION]),
    (
        "timestamp",
        ints(
            pa.timestamp("us"),
            1_710_072_000_000_001,
            FAR,
            -FAR - 1,
            -62_135_596_800_000_000,
            -62_135_596_800_000_001,
            253_402_300_799_999_999,
            253_402_300_800_000_000,
        ),
        [
            '"2024-03-10T12:00:00.000001Z"',
            VIOLATION,
            VIOLATION,
            '"0001-01-01T00:00:00Z"',
            VIOLATION,
            '"9999-12-31T23:59:59.999999Z"',
            VIOLATION,
        ],
    ),
    (
        "timestamp",
        ints(pa.timestamp("ns"), 1_710_072_000_000_000_001, 1_710_072_000_000_001_000),
        ['"2024-03-10T12:00:00.000000001Z"', '"2024-03-10T12:00:00.000001Z"'],
    ),
    (
        "timestamp",
        ints(pa.timestamp("ns", "Europe/Berlin"), 1_710_072_000_000_000_000),
        ['"2024-03-10T12:00:00+00:00"'],
    ),
    (
        "timestamp",
        ints(pa.timestamp("us", "UTC"), 1_710_072_000_000_000, FAR),
        ['"2024-03-10T12:00:00+00:00"', VIOLATION],
    ),
    ("timestamp", ints(pa.timestamp("us", "No/Such_Zone"), 1_710_072_000_000_000), ['"2024-03-10T12:00:00+00:00"']),
    ("duration", ints(pa.duration("s"), 90), ["90"]),
    ("duration", ints(pa.duration("ms"), 1500, -1500), ["1.500", "-1.500"]),
    ("duration", ints(pa.duration("us"), FAR), ["9223372036854.775807"]),
    ("duration", ints(pa.duration("ns"), 1), ["0.000000001"]),
    ("list", pa.array([[1, None], [], None], pa.list_(pa.int64())), ["[1,null]", "[]", ABSENT]),
    ("list", pa.array([[1.0, float("nan")], [0.5, float("inf")], [1.0]]), ["[1,null]", NOT_FINITE, "[1]"]),
    ("large_list", pa.array([["x"]], pa.large_list(pa.string())), ['["x"]']),
    ("fixed_size_list", pa.array([[1, 2], None, [5, 6]], pa.list_(pa.int64(), 2)), ["[1,2]", ABSENT, "[5,6]"]),
    ("list_view", pa.array([[1, 2], None, [3]], pa.list_view(pa.int64())), ["[1,2]", ABSENT, "[3]"]),
    ("large_list_view", pa.array([[1], [2, 3]], pa.large_list_view(pa.int64())), ["[1]", "[2,3]"]),
    ("struct", pa.array([{"a": 1, "b": None}, None, {"a": None, "b": "x"}]), ['{"a":1}', ABSENT, '{"b":"x"}']),
    (
        "struct",
        pa.array([{"t": FAR}, {"t": 0}], pa.struct({"t": pa.timestamp("us")})),
        [VIOLATION, '{"t":"1970-01-01T00:00:00Z"}'],
    ),
    ("map", pa.array([[("a", 1), ("b", None)], [], None], pa.map_(pa.string(), pa.int64())), ['{"a":1}', "{}", ABSENT]),
    ("map", pa.array([[(1, "x"), (2, "y")]], pa.map_(pa.int64(), pa.string())), ['{"1":"x","2":"y"}']),
    ("map", pa.array([[(True, 1)]], pa.map_(pa.bool_(), pa.int64())), ['{"true":1}']),
    ("map", pa.array([[(Decimal("1.50"), 1)]], pa.map_(pa.decimal128(5, 2), pa.int64())), ['{"1.50":1}']),
    ("map", pa.array([[("a", 1), ("a", 2)], [("a", 1)]], pa.map_(pa.string(), pa.int64())), [VIOLATION, '{"a":1}']),
    (
        "map",
        pa.array([[(float("nan"), 1)], [(1.0, 1), (0.5, 2)]], pa.map_(pa.float64(), pa.int64())),
        [VIOLATION, '{"1":1,"0.5":2}'],
    ),
    ("map", pa.array([[([1], 1)], []], pa.map_(pa.list_(pa.int64()), pa.int64())), [VIOLATION, "{}"]),
    ("map", pa.array([[(b"\xff", 1)], [(b"k", 1)]], pa.map_(pa.binary(), pa.int64())), [INVALID, '{"k":1}']),
    ("dictionary", pa.array(["x", None, "x"]).dictionary_encode(), ['"x"', ABSENT, '"x"']),
    ("dictionary", pa.array([["x"]], pa.list_(pa.dictionary(pa.int32(), pa.string()))), ['["x"]']),
    ("extension<arrow.uuid>", pa.array([UUID.bytes, None], pa.uuid()), [f'"{UUID}"', ABSENT]),
    ("extension<arrow.uuid>", pa.ListArray.from_arrays([0, 1], pa.array([UUID.bytes], pa.uuid())), [f'["{UUID}"]']),
    (
        "extension<arrow.json>",
        pa.array(['{"a": 1.50}', "null", "{", '"x"'], pa.json_()),
        ['{"a": 1.50}', ABSENT, UNREADABLE, '"x"'],
    ),
    ("extension<arrow.bool8>", extension(pa.bool8(), 0, 2, None), ["false", "true", ABSENT]),
    ("extension", extension(pa.opaque(pa.int64(), "kind", "vendor"), 7), ["7"]),
]

NOT_IN_PARQUET = {
    "run_end_encoded": pa.RunEndEncodedArray.from_arrays([1], ["x"]),
    "month_day_nano_interval": pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
    "dense_union": pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])]),
    "sparse_union": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
}
# Arrow knows them, and its Python library makes none of them.
NOT_IN_PYTHON = {"Type_INTERVAL_MONTHS", "Type_INTERVAL_DAY_TIME"}


def shown(event: bytes | Unreadable) -> Value:
    """The value of the only column `value`, as in COLUMNS."""
    if isinstance(event, Unreadable):
        assert event.message.startswith("/value")
        return {str(event.error_type)}
    json.loads(event)
    found = re.fullmatch(rb'\{(?:"value":(.*))?\}', event, re.DOTALL)
    assert found is not None, event
    return None if found[1] is None else found[1].decode()


@pytest.mark.parametrize(
    ("array", "expected"), [pytest.param(*rest, id=f"{place}-{name}") for place, (name, *rest) in enumerate(COLUMNS)]
)
def test_each_type_keeps_its_value_or_is_rejected_row_by_row(tmp_path: Path, array: pa.Array, expected: list[Value]):
    file = write(tmp_path, {"value": array}, use_dictionary=False)
    assert [shown(event) for event in read(file)] == expected
    assert [shown(event) for event in read(file, after=1)] == expected[1:]


def test_every_type_of_arrow_is_tested_and_stands_in_the_table_of_the_documentation():
    tested = {array.type.id for _, array, _ in COLUMNS} | {array.type.id for array in NOT_IN_PARQUET.values()}
    known = {name: kind for name, kind in vars(lib).items() if name.startswith("Type_")}
    assert {name for name, kind in known.items() if kind not in tested} == NOT_IN_PYTHON
    section = (PROJECT_ROOT / "docs" / "import.md").read_text().partition("\n## Parquet\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    written = [name for row in rows for name in re.findall("`([^`]+)`", row)]
    assert sorted(written) == sorted({name for name, _, _ in COLUMNS} | set(NOT_IN_PARQUET) | {"interval"})


@pytest.mark.parametrize("name", NOT_IN_PARQUET)
def test_what_the_documentation_says_is_never_in_parquet_cannot_be_written(tmp_path: Path, name: str):
    with pytest.raises(pa.ArrowNotImplementedError, match="Unhandled type for Arrow to Parquet"):
        write(tmp_path, {"value": NOT_IN_PARQUET[name]})


def test_int96_times_beyond_what_nanoseconds_hold_keep_their_value(tmp_path: Path):
    times = ints(pa.timestamp("us"), 1_710_072_000_000_001, 16_725_225_600_000_000, 253_402_300_799_000_000)
    file = write(tmp_path, {"value": times}, use_deprecated_int96_timestamps=True, store_schema=False)
    assert [shown(one) for one in read(file)] == [
        '"2024-03-10T12:00:00.000001Z"',
        '"2500-01-01T00:00:00Z"',
        '"9999-12-31T23:59:59Z"',
    ]
