"""The bytes of a file as they were before they were packed: what a file is, its content says and not its name."""

import io
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Protocol

import zstandard

from telemetry_platform.errors import UnreadableFileError

# Small enough that what a well packed piece unpacks to still fits into memory many times.
CHUNK_BYTES = 16 * 1024
HEAD_BYTES = 1024
# What `zstd --long=31` needs; the library's own limit refuses such files.
_LARGEST_WINDOW = 2**31
_GZIP = 16 + zlib.MAX_WBITS

_PARQUET = (b"PAR1", b"PARE")
# The second is that of a frame to be skipped, which parallel writers put first; its first byte varies.
_ZSTD_FRAME, _ZSTD_SKIPPED = b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"
_UNKNOWN = {
    b"PAR1": "Parquet within a packed file",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"\x04\x22\x4d\x18": "LZ4",
    b"\xff\x06\x00\x00sNaPpY": "Snappy",
    b"Obj\x01": "Avro",
    b"ORC": "ORC",
}


class _Unpacker(Protocol):
    """One gzip member or zstd frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def is_parquet(source: io.BufferedReader) -> bool:
    """Whether the file is Parquet; leaves the file at its start.

    Raises UnreadableFileError when it begins as Parquet and is cut: what says where the rows are stands at
    its end, with the same mark.
    """
    mark = source.read(len(_PARQUET[0]))
    is_whole = source.seek(0, io.SEEK_END) >= 2 * len(mark)
    if mark in _PARQUET:
        source.seek(-len(mark), io.SEEK_END)
        if not is_whole or source.read() not in _PARQUET:
            raise UnreadableFileError("it ends early: Parquet's description of its rows, at the end, is cut off")
    source.seek(0)
    return mark in _PARQUET


def unpacked(source: io.BufferedReader) -> Iterator[bytes]:
    """Pieces of the text in a plain, gzip or zstd file, or one that is packed twice.

    Raises UnreadableFileError where it ends early or is damaged, after everything before that place.
    """
    return _unpacked(iter(lambda: source.read(CHUNK_BYTES), b""))


def peek(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes of `pieces`, HEAD_BYTES or all there are, and all of the pieces."""
    regrouped = _regrouped(pieces)
    head = next(regrouped, b"")
    return head, chain([head], regrouped)


def _unpacked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    head, pieces = peek(pieces)
    if head.startswith(b"\x1f\x8b"):
        return _unpacked(_frames(pieces, _gzip_member, zlib.error, padding=b"\x00"))
    if head.startswith(_ZSTD_FRAME) or (head[1:4] == _ZSTD_SKIPPED and 0x50 <= head[0] <= 0x5F):
        return _unpacked(_frames(pieces, _zstd_frame, zstandard.ZstdError, padding=b""))
    for magic, name in _UNKNOWN.items():
        if head.startswith(magic):
            raise UnreadableFileError(f"it is {name}: unpack it to JSON Lines, gzip, zstd or Parquet first")
    return pieces


def _gzip_member() -> Any:
    return zlib.decompressobj(_GZIP)


def _zstd_frame() -> Any:
    return zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).decompressobj()


def _frames(
    pieces: Iterator[bytes], begin: Callable[[], _Unpacker], trouble: type[Exception], *, padding: bytes
) -> Iterator[bytes]:
    """Unpack frame after frame. A library's own stream takes a frame that is cut for the end of the file."""
    frame: _Unpacker | None = None
    for piece in pieces:
        rest = piece
        while rest:
            if frame is None:
                # Tapes and some servers fill a gzip file up with zeros.
                rest = rest.lstrip(padding) if padding else rest
                if not rest:
                    break
                frame = begin()
            try:
                yield frame.decompress(rest)
            except trouble as error:
                raise UnreadableFileError(f"it is damaged: {error}") from error
            rest = frame.unused_data
            if frame.eof:
                frame = None
    if frame is not None:
        raise UnreadableFileError("it ends early: its last part is cut off")


def _regrouped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Join pieces until they have HEAD_BYTES; what came before an error is handed on before it."""
    joined = b""
    try:
        for piece in pieces:
            joined += piece
            if len(joined) >= HEAD_BYTES:
                yield joined
                joined = b""
    except UnreadableFileError:
        if joined:
            yield joined
        raise
    if joined:
        yield joined
