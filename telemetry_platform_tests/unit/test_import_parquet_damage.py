"""Parquet for `telemetry import`: files that cannot be read, or not to their end."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from telemetry_platform.cli.import_reading import read_events
from telemetry_platform.cli.unreadable import Unreadable
from telemetry_platform.errors import TelemetryError
from telemetry_platform_tests.unit.test_import_parquet import columns, read, write


def test_the_row_groups_before_the_damage_are_read(tmp_path: Path):
    file = write(tmp_path, {"value": list(range(1500))}, row_group_size=500, compression="zstd", use_dictionary=False)
    place = pq.read_metadata(file).row_group(1).column(0).data_page_offset
    content = bytearray(file.read_bytes())
    content[place : place + 200] = b"\xff" * 200
    file.write_bytes(content)
    found: list[bytes | Unreadable] = []
    with file.open("rb") as source, pytest.raises(TelemetryError, match=r"events\.parquet cannot be read to its end"):
        found.extend(read_events(file, source))
    assert [json.loads(one)["value"] for one in found if isinstance(one, bytes)] == list(range(500))


def test_bytes_that_were_changed_are_noticed_where_the_writer_left_checksums(tmp_path: Path):
    file = write(
        tmp_path, {"value": list(range(500))}, compression="none", use_dictionary=False, write_page_checksum=True
    )
    content = bytearray(file.read_bytes())
    content[content.index((77).to_bytes(8, "little"))] = 78
    file.write_bytes(content)
    with pytest.raises(TelemetryError, match="cannot be read to its end"):
        read(file)


@pytest.mark.parametrize("place", ["the file", "its only row group"])
def test_rows_that_the_file_says_it_has_and_has_not_are_missed(tmp_path: Path, place: str):
    file = write(tmp_path, {"value": list(range(777))}, store_schema=False)
    content = file.read_bytes()
    # 777 and 778 as Thrift writes them.
    said, wrong = b"\x92\x0c", b"\x94\x0c"
    found = (
        content.rindex(said) if place == "its only row group" else content.index(said, len(content) - footer(content))
    )
    file.write_bytes(content[:found] + wrong + content[found + 2 :])
    with pytest.raises(TelemetryError, match=r"cannot be read to its end: .* rows"):
        read(file)


def footer(content: bytes) -> int:
    """Length of what stands behind the pages."""
    return int.from_bytes(content[-8:-4], "little") + 8


@pytest.mark.parametrize("change", ["cut", "bytes", "footer"])
def test_what_is_no_parquet_or_lacks_its_end_is_named(tmp_path: Path, change: str):
    file = write(tmp_path, columns())
    whole = file.read_bytes()
    contents = {
        "cut": whole[:-10],
        "bytes": b"\x00\x01" * 99,
        "footer": whole[:-60] + b"\xff" * 52 + whole[-8:],
    }
    file.write_bytes(contents[change])
    with pytest.raises(TelemetryError, match=r"events\.parquet (is not Parquet that can|cannot) be read"):
        read(file)


def test_a_name_that_two_columns_have_is_refused(tmp_path: Path):
    table = pa.table(columns(device_id=["d"] * 3)).rename_columns([*columns(), "player_id"])
    with pytest.raises(TelemetryError, match="the file has 2 columns player_id"):
        read(write(tmp_path, table))
    twice = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["level", "level"])
    with pytest.raises(TelemetryError, match="properties has 2 columns level"):
        read(write(tmp_path, {"properties": twice}))
