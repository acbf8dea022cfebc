"""Files of events as other programs write them: how they are packed, encoded, and cut into lines."""

import codecs
import gzip
import io
import json
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry_platform.cli import import_text
from telemetry_platform.cli.import_reading import read_events
from telemetry_platform.cli.import_text import decoded, rows
from telemetry_platform.errors import UnreadableFileError

EVENTS = [{"event_id": f"e{number}", "properties": {"a": [{"b": number}, '} {"é']}} for number in range(3)]
LINES = b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in EVENTS)
COMPACT = [json.dumps(one, ensure_ascii=False) for one in EVENTS]
PRETTY = [json.dumps(one, ensure_ascii=False, indent=2) for one in EVENTS]


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def skippable(number: int, data: bytes = b"who wrote it") -> bytes:
    return struct.pack("<II", 0x184D2A50 + number, len(data)) + data


def read(tmp_path: Path, name: str, data: bytes) -> list[Any]:
    (tmp_path / name).write_bytes(data)
    with (tmp_path / name).open("rb") as source:
        return [json.loads(one) for one in read_events(tmp_path / name, source)]


def read_until_trouble(tmp_path: Path, name: str, data: bytes) -> tuple[list[Any], str]:
    (tmp_path / name).write_bytes(data)
    found: list[Any] = []
    with (tmp_path / name).open("rb") as source, pytest.raises(UnreadableFileError) as trouble:
        found.extend(json.loads(one) for one in read_events(tmp_path / name, source))
    return found, str(trouble.value)


def rows_of(text: bytes) -> list[bytes]:
    return list(rows(iter([text])))


PACKED = {
    "one frame": zstd(LINES),
    "two frames": zstd(LINES[:50]) + zstd(LINES[50:]),
    "skippable frames": skippable(0) + zstd(LINES[:50]) + skippable(15) + zstd(LINES[50:]) + skippable(3, b""),
    "an empty frame": zstd(LINES) + zstd(b""),
    "one member": gzip.compress(LINES),
    "two members": gzip.compress(LINES[:50]) + gzip.compress(LINES[50:]),
    "filled up with zeros": gzip.compress(LINES) + b"\x00" * 512,
    "packed twice": gzip.compress(gzip.compress(LINES)),
    "two kinds": zstd(gzip.compress(LINES)),
    "not packed": LINES,
}


@pytest.mark.parametrize("data", PACKED.values(), ids=PACKED)
@pytest.mark.parametrize("name", ["e.jsonl", "e.jsonl.gz", "e.jsonl.zst", "e.parquet", "e"])
def test_how_a_file_is_packed_is_told_by_its_content_whatever_its_name(tmp_path: Path, name: str, data: bytes):
    assert read(tmp_path, name, data) == EVENTS


@pytest.mark.parametrize("name", ["e.jsonl", "e.jsonl.gz", "e.jsonl.zst", "e.parquet"])
@pytest.mark.parametrize("data", [b"", gzip.compress(b""), zstd(b""), skippable(1), codecs.BOM_UTF8, b"\r\n \n", b"[]"])
def test_an_empty_file_has_no_events(tmp_path: Path, name: str, data: bytes):
    assert read(tmp_path, name, data) == []


@pytest.mark.parametrize("pack", [zstd, gzip.compress])
def test_a_file_that_is_cut_anywhere_gives_what_is_whole_and_says_so(tmp_path: Path, pack: Any):
    first, whole = pack(LINES), pack(LINES) + pack(LINES)
    for end in range(len(first) + 1, len(whole)):
        found, told = read_until_trouble(tmp_path, "e", whole[:end])
        assert found[:3] == EVENTS
        assert found[3:] == EVENTS[: len(found) - 3]
        assert "e cannot be read to its end: it ends early" in told
    # Only its last byte is missing: every event is there, also the last one without a line end.
    assert read_until_trouble(tmp_path, "e", pack(LINES.rstrip())[:-1])[0] == EVENTS
    for end in range(4, len(first)):
        found, told = read_until_trouble(tmp_path, "e", first[:end])
        assert found == EVENTS[: len(found)]


@pytest.mark.parametrize("end", [4, 5, 8, 100, -1])
@pytest.mark.parametrize("name", ["e.parquet", "e"])
def test_parquet_that_is_cut_says_so(tmp_path: Path, name: str, end: int):
    pq.write_table(pa.Table.from_pylist([{"event_id": "e"}] * 50), tmp_path / "whole")
    found, told = read_until_trouble(tmp_path, name, (tmp_path / "whole").read_bytes()[:end])
    assert (found, "cannot be read to its end: it ends early" in told) == ([], True)


def test_a_frame_that_is_skipped_may_be_cut_too(tmp_path: Path):
    found, told = read_until_trouble(tmp_path, "e.jsonl", zstd(LINES) + skippable(1)[:-1])
    assert (found, "ends early" in told) == (EVENTS, True)


@pytest.mark.parametrize("data", [zstd(LINES) + b"junk", gzip.compress(LINES) + b"junk"])
def test_what_stands_behind_the_last_frame_is_told_after_the_events_before_it(tmp_path: Path, data: bytes):
    found, told = read_until_trouble(tmp_path, "e.jsonl", data)
    assert (found, "it is damaged" in told) == (EVENTS, True)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"BZh91AY", "it is bzip2: unpack it"),
        (b"PK\x03\x04rest", "it is zip: unpack it"),
        (gzip.compress(b"PAR1rest"), "it is Parquet within a packed file: unpack it"),
    ],
)
def test_a_kind_of_file_that_is_not_taken_is_named(tmp_path: Path, data: bytes, told: str):
    assert told in read_until_trouble(tmp_path, "e.jsonl", data)[1]


@pytest.mark.parametrize("name", ["e.gz", "e.zst", "e.parquet"])
def test_bytes_that_are_not_what_the_name_promises_are_no_rows(tmp_path: Path, name: str):
    found, told = read_until_trouble(tmp_path, name, b"\x00\x01 and more\n")
    assert (found, "it is neither gzip nor zstd nor Parquet" in told) == ([], True)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_encoding_with_a_byte_order_mark_and_every_line_end_is_read(tmp_path: Path, encoding: str, end: str):
    text = end.join([*COMPACT, "", ""]).encode(encoding)
    assert read(tmp_path, "e.jsonl", text) == EVENTS
    assert read(tmp_path, "e.jsonl.gz", gzip.compress(text)) == EVENTS


def test_a_byte_order_mark_stands_also_where_files_were_put_together(tmp_path: Path):
    assert read(tmp_path, "e.jsonl", (codecs.BOM_UTF8 + LINES) * 2) == EVENTS * 2


def test_utf_16_that_ends_within_a_character_gives_what_is_whole_and_says_so(tmp_path: Path):
    found, told = read_until_trouble(tmp_path, "e.jsonl", LINES.decode().encode("utf-16")[:-1])
    assert (found, "it is no UTF-16 at its end" in told) == (EVENTS, True)


SHAPES = {
    "one a line": "\n".join(COMPACT),
    "blank lines": "\n\n \n".join(COMPACT),
    "no line ends": "".join(COMPACT),
    "blanks between": "  ".join(COMPACT),
    "record separators": "".join(f"\x1e{one}\n" for one in COMPACT),
    "several lines": "\n".join(PRETTY),
    "several lines, CRLF": "\r\n".join(PRETTY).replace("\n", "\r\n"),
    "several lines, end to end": "".join(PRETTY),
    "an array": json.dumps(EVENTS),
    "an array over lines": json.dumps(EVENTS, indent=4),
    "an array, one a line": "[\n" + ",\n".join(COMPACT) + "\n]\n",
    "an array, commas first": "[" + "\n,".join(COMPACT) + "]",
    "arrays, one a line": f"[{COMPACT[0]},{COMPACT[1]}]\n[{COMPACT[2]}]\n",
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("piece", [1, 7, 10_000])
@pytest.mark.parametrize("longest", [1, 50, 10_000])
def test_every_shape_gives_the_same_events_however_it_arrives(
    shape: str, piece: int, longest: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(import_text, "LONGEST_PART", longest)
    stream = io.BytesIO(shape.encode())
    pieces = iter(lambda: stream.read(piece), b"")
    assert [json.loads(one) for one in rows(decoded(pieces))] == EVENTS


@pytest.mark.parametrize(
    "bad",
    [
        b"7",
        b"no JSON at all",
        b"[2023-02-01] started",
        b'{"a":1}}',
        b'{"a":1}{',
        b'{"a":1} and more',
        b'{"a":1',
        b'{"a":"x',
        b'{"a":"x}',
        b"{",
        b'{"a":{"b":1}',
        b'"text"',
        b"]",
        b"\xff\xfe",
        b'{"a":"\xff"}',
        b'{"a" 1}',
        b'{"a":NaN}',
        b"\x00\x00",
    ],
)
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_row_that_cannot_be_read_costs_only_itself(bad: bytes, place: int):
    lines = [one.encode() for one in COMPACT]
    lines.insert(place, bad)
    found = rows_of(b"\n".join(lines))
    good = [row for row in found if row in {one.encode() for one in COMPACT}]
    assert [json.loads(one) for one in good] == EVENTS
    assert len(found) == 4 or (bad == b'{"a":1}{' and len(found) == 5)


def test_an_array_costs_only_the_elements_that_are_no_objects():
    assert rows_of(b'[{"a":1}, null, 7, "x", {"b":2}]') == [b'{"a":1}', b"null", b"7", b'"x"', b'{"b":2}']


def test_an_object_that_is_cut_among_those_over_several_lines_costs_only_itself():
    cut = "\n".join(PRETTY[1].splitlines()[:-2])
    found = rows_of("\n".join([PRETTY[0], cut, PRETTY[2]]).encode())
    assert [json.loads(found[0]), json.loads(found[2]), len(found)] == [EVENTS[0], EVENTS[2], 3]


def test_an_array_without_its_end_is_told_after_its_events(tmp_path: Path):
    found, told = read_until_trouble(tmp_path, "e.json", f"[{COMPACT[0]},\n{COMPACT[1]},\n".encode())
    assert (found, "its array is not closed" in told) == (EVENTS[:2], True)


@given(
    cut=st.integers(min_value=1, max_value=len(COMPACT[1].encode()) - 1), end=st.sampled_from([b"\n", b"\r\n", b"\r"])
)
@settings(deadline=None)
def test_a_row_that_is_cut_at_any_byte_costs_only_itself(cut: int, end: bytes):
    first, second, third = (one.encode() for one in COMPACT)
    assert rows_of(end.join([first, second[:cut], third])) == [first, second[:cut].strip(), third]


@pytest.mark.parametrize("start", [b"[", b"{\n"])
def test_an_object_that_swallows_what_is_behind_it_is_given_up_after_what_came_before(start: bytes):
    found = rows(iter([b'[{"a":1},' if start == b"[" else b'{"a":1}\n{\n', b'{"x":"', *[b"x" * 1024**2 + b"\n"] * 20]))
    assert next(found) == b'{"a":1}'
    with pytest.raises(UnreadableFileError, match="no end within 16 MiB"):
        list(found)


def test_an_event_on_a_line_of_its_own_may_have_any_size():
    large = b'{"a":"' + b"x" * 17 * 1024**2 + b'"}'
    assert rows_of(b'{"a":1}\n' + large + b'\n{"b":2}\n') == [b'{"a":1}', large, b'{"b":2}']
