"""What text files of events may look like, and what each layout gives."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from telemetry_platform.cli.import_reading import read_events
from telemetry_platform.cli.import_text import json_objects
from telemetry_platform.errors import TelemetryError

A, B, C = b'{"a":1}', b'{"b":"}{ \\" ]"}', b'{"c":[{"d":{}}]}'


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    return iter([text[at : at + size] for at in range(0, len(text), size)])


def skippable(content: bytes) -> bytes:
    return b"\x53\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


def zstd(text: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(text)


def read(folder: Path, name: str, content: bytes) -> list[bytes]:
    file = folder / name
    file.write_bytes(content)
    with file.open("rb") as source:
        return [one for one in read_events(file, source) if isinstance(one, bytes)]


@pytest.mark.parametrize("size", [1, 3, 7, 10_000])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b" \n\r\n\t", []),
        (A + b"\n" + B + b"\n" + C, [A, B, C]),
        (b"\n\n" + A + b"\r\n\r\n" + B + b"\r" + C + b"\r\n", [A, B, C]),
        (A + B + b" " + C, [A, B, C]),
        (A + b"\n" + B + C + b"\n" + A, [A, B, C, A]),
        (A + b'\n{"a":\n' + B + b"\nnonsense\n[1]\n7\n" + C, [A, b'{"a":', B, b"nonsense", b"[1]", b"7", C]),
        (A + b"\n" + B + b"}{\n" + C, [A, B + b"}{", C]),
        (
            b'{\n  "a": 1\n}\n{\n  "b": {\n    "c": "}"\n  }\n}\n',
            [b'{\n  "a": 1\n}', b'{\n  "b": {\n    "c": "}"\n  }\n}'],
        ),
        (b"[" + A + b",\n " + B + b" , " + C + b"]\n", [A, B, C]),
        (b"[\n]", []),
        (b"[" + A + b", 7, " + C + b"]", [A, b"7", C]),
    ],
)
def test_objects_are_found_in_every_layout_wherever_the_text_is_cut_into_pieces(
    text: bytes, expected: list[bytes], size: int
):
    assert list(json_objects(pieces(text, size))) == expected


def test_an_array_without_an_end_and_an_object_without_one_are_errors_after_what_came_before():
    found = json_objects(pieces(b"[" + A + b"," + B, 5))
    assert [next(found), next(found)] == [A, B]
    with pytest.raises(EOFError, match="not closed"):
        next(found)
    endless = json_objects(iter([b"[" + A + b',{"x":"', *[b"x" * 1024**2] * 20]))
    assert next(endless) == A
    with pytest.raises(ValueError, match="no end within 16 MiB"):
        next(endless)


TEXT = A + b"\n" + B + b"\n" + C + b"\n"


@pytest.mark.parametrize("name", ["events.jsonl", "events.gz", "events.zst", "events"])
@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        b"\xef\xbb\xbf" + TEXT.replace(b"\n", b"\r\n"),
        TEXT.decode().encode("utf-16"),
        b"\xfe\xff" + TEXT.decode().encode("utf-16-be"),
        TEXT.decode().encode("utf-32"),
        gzip.compress(TEXT),
        gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]),
        zstd(TEXT),
        zstd(b"\xef\xbb\xbf" + TEXT),
        zstd(TEXT[:9]) + skippable(b"index") + zstd(TEXT[9:]) + skippable(b""),
        skippable(b"x" * 100_000) + zstd(TEXT),
    ],
)
def test_a_file_is_what_its_content_says_whatever_its_name(tmp_path: Path, name: str, content: bytes):
    assert read(tmp_path, name, content) == [A, B, C]


@pytest.mark.parametrize(
    "pack", [gzip.compress, zstd, lambda text: zstd(b"x") + zstd(text), lambda text: skippable(text)]
)
def test_a_file_that_ends_early_is_an_error_that_says_so(tmp_path: Path, pack):
    whole = pack(TEXT * 1000)
    for cut in (len(whole) // 2, len(whole) - 1):
        with pytest.raises(TelemetryError, match="cannot be read to its end"):
            read(tmp_path, "events", whole[:cut])


def test_an_object_on_a_line_of_its_own_may_be_larger_than_what_is_looked_at_first(tmp_path: Path):
    large = json.dumps({"a": "x" * 200_000}).encode()
    assert read(tmp_path, "one.jsonl", large) == [large]
    assert read(tmp_path, "two.jsonl", large + b"\n" + A) == [large, A]
    assert read(tmp_path, "three.jsonl", A + b"\n" + large) == [A, large]
