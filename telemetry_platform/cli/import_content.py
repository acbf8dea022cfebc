"""The bytes of a text file of events: unpacked by what they are, whatever the file's name, and as UTF-8."""

import codecs
import gzip
import io
from collections.abc import Iterator

import zstandard

PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
# A skippable frame begins with 0x184D2A50 to 0x184D2A5F, as little-endian bytes; parallel writers begin files with one.
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
# Small, since a few bytes can stand for megabytes.
_CHUNK_BYTES = 32 * 1024
_LARGEST_WINDOW = 1 << 31

# The longer mark first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LONGEST_MARK = 4


def magic(source: io.BufferedReader) -> bytes:
    """Return the first four bytes, which say what a file is; the position does not move."""
    return source.peek(4)[:4]


def text_chunks(source: io.BufferedReader) -> Iterator[bytes]:
    """Return the content in pieces: gzip and zstd unpacked, a byte order mark obeyed and left out.

    Raises EOFError when the file ends early, and OSError, ZstdError or UnicodeError when it is damaged.
    """
    start = magic(source)
    if start.startswith(_GZIP):
        chunks = _read(gzip.GzipFile(fileobj=source))
    elif start == _ZSTD or (start[1:] == _ZSTD_SKIPPABLE and start[0] >> 4 == 5):
        chunks = _frames(source)
    else:
        chunks = _read(source)
    yield from _as_utf8(chunks)


def _read(stream: io.BufferedIOBase) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK_BYTES):
        yield chunk


def _frames(source: io.BufferedReader) -> Iterator[bytes]:
    """Unpack one zstd frame after another; a library's stream takes a cut frame for the end of the file."""
    data = source.read(_CHUNK_BYTES)
    while data:
        frame = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).decompressobj()
        while True:
            yield frame.decompress(data)
            if frame.eof:
                data = frame.unused_data or source.read(_CHUNK_BYTES)
                break
            data = source.read(_CHUNK_BYTES)
            if not data:
                raise EOFError("its last zstd frame ends early")


def _as_utf8(chunks: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _LONGEST_MARK:
            break
    mark, encoding = next((one for one in _MARKS if head.startswith(one[0])), (b"", "utf-8"))
    head = head[len(mark) :]
    if encoding == "utf-8":
        yield head
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    yield decoder.decode(head).encode()
    for chunk in chunks:
        yield decoder.decode(chunk).encode()
    yield decoder.decode(b"", final=True).encode()
