"""Text to the JSON objects in it: one a line, several a line, one over several lines, or one array of them."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from telemetry_platform.cli.import_unpacking import peek
from telemetry_platform.errors import UnreadableFileError

# Far more than an event may have, and little enough to be held.
LARGEST_OBJECT = 16 * 1024**2
# A line that is longer is looked at in parts: a file may have no line ends at all.
LONGEST_PART = 256 * 1024

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    # Without a mark: JSON begins with a character of ASCII, so the zeros tell.
    b"{\x00\x00\x00": "utf-32-le",
    b"\x00\x00\x00{": "utf-32-be",
    b"{\x00": "utf-16-le",
    b"\x00{": "utf-16-be",
}
# Blanks, the record separator of RFC 7464, and the bytes of a mark that stands where files were put together.
_BLANK = b" \t\r\n\x0b\x0c\x1e" + codecs.BOM_UTF8
_IN_ARRAY = _BLANK + b"[,]"
_ARRAY_START = re.compile(rb"[\s\xef\xbb\xbf]*\[\s*(?:[{\]]|$)")
_ELEMENT_END = re.compile(rb"[,{\]]")
# A string, a string without its end, or a brace. Possessive: nothing is tried twice.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}]', re.DOTALL)


def decoded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pieces of UTF-8 without a byte order mark, whatever the file was written in (RFC 8259, 8.1).

    Raises UnreadableFileError where UTF-16 or UTF-32 ends within a character or has what is none.
    """
    head, pieces = peek(pieces)
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if head.startswith(mark)), "utf-8")
    # Bytes that are no UTF-8 are one event's own affair.
    return pieces if encoding == "utf-8" else _recoded(pieces, encoding)


def rows(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Each object of the text, and each line that is none, in their order.

    A line that begins with an object where one is still open, and no further in, tells that the open one
    is broken: a row that was cut costs only itself. Raises UnreadableFileError, after all rows, when an
    array has no end, or when an object over several lines has none within 16 MiB.
    """
    head, pieces = peek(pieces)
    splitter = _Splitter(is_array=bool(_ARRAY_START.match(head)))
    for line in _lines(pieces):
        yield from splitter.take(line)
    if splitter.row is not None:
        yield bytes(splitter.row.text).strip(_BLANK)
    if splitter.is_array and not splitter.is_array_closed:
        raise UnreadableFileError("it ends early: its array is not closed")


def is_plain_object(text: bytes) -> bool:
    """Whether a text is one JSON object and nothing else, to a strict parser."""
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


@dataclass
class _Row:
    """Text from the start of an object or of what is none, which is not yet decided."""

    text: bytearray
    column: int
    start: int = 0
    scanned: int = 0
    depth: int = 0
    is_over_lines: bool = False

    def object_end(self) -> int | None:
        """Position behind the object that begins at `start`; None while it is open."""
        for token in _TOKEN.finditer(self.text, self.scanned):
            if token[0] == b'"':
                self.scanned = token.start()
                return None
            self.scanned = token.end()
            if token[0] in (b"{", b"}"):
                self.depth += 1 if token[0] == b"{" else -1
                if self.depth == 0:
                    return token.end()
        self.scanned = len(self.text)
        return None

    def skip(self, between: bytes) -> bool:
        """Go on to what follows the characters `between` rows; False when nothing does."""
        while self.start < len(self.text) and self.text[self.start] in between:
            self.start += 1
        self.scanned = self.start
        return self.start < len(self.text)


class _Splitter:
    """Cuts lines into rows; `row` is the one that is still open."""

    def __init__(self, *, is_array: bool) -> None:
        self.row: _Row | None = None
        self.is_array = is_array
        self.is_array_closed = False
        self._between = _IN_ARRAY if is_array else _BLANK
        self._is_line_start = True

    def take(self, line: bytes) -> Iterator[bytes]:
        """Rows that end in `line`, which has its line end, or is a part of a long line."""
        is_start, self._is_line_start = self._is_line_start, line.endswith((b"\n", b"\r"))
        column = len(line) - len(line.lstrip(_BLANK))
        if self.row is not None and is_start and line[column : column + 1] == b"{" and column <= self.row.column:
            yield bytes(self.row.text).strip(_BLANK)
            self.row = None
        if self.row is None:
            text = line.strip(self._between)
            if is_start and is_plain_object(text):
                self._close(line)
                yield text
                return
            self.row = _Row(bytearray(line), column)
            yield from self._split(self.row, whole=line if is_start and self._is_line_start else None)
        else:
            self.row.text += line
            self.row.is_over_lines |= is_start
            self._bound(self.row)
            yield from self._split(self.row, whole=None)

    def _split(self, row: _Row, whole: bytes | None) -> list[bytes]:
        """Cut the objects off; a `whole` line with anything else in it is one row, outside of an array."""
        found: list[bytes] = []
        while row.depth or row.skip(self._between):
            if row.text[row.start] != ord("{"):
                if whole is not None and not self.is_array:
                    found = [whole.strip(_BLANK)]
                    row.start = len(row.text)
                else:
                    found.append(self._no_object(row))
                continue
            end = row.object_end()
            if end is None:
                del row.text[: row.start]
                row.scanned, row.start = row.scanned - row.start, 0
                return found
            found.append(bytes(row.text[row.start : end]))
            row.start = end
        self._close(bytes(row.text))
        self.row = None
        return found

    def _no_object(self, row: _Row) -> bytes:
        """Cut off what is no object: in an array up to the next element, else all there is."""
        end = len(row.text)
        if self.is_array:
            found = _ELEMENT_END.search(row.text, row.start)
            end = found.start() if found else end
        text = bytes(row.text[row.start : end])
        row.start = end
        return text.strip(_BLANK)

    def _bound(self, row: _Row) -> None:
        """Give up a row that has swallowed what is behind it; on a line of its own it is one event, too large."""
        if len(row.text) > LARGEST_OBJECT and (self.is_array or row.is_over_lines):
            raise UnreadableFileError(f"what begins with {bytes(row.text[:40])!r} has no end within 16 MiB")

    def _close(self, text: bytes) -> None:
        if self.is_array and (stripped := text.rstrip(_BLANK)):
            self.is_array_closed = stripped.endswith(b"]")


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Lines with their ends (LF, CR, CRLF). The last one before an error comes before it: it may be whole."""
    rest = b""
    try:
        for piece in pieces:
            lines = (rest + piece).splitlines(keepends=True)
            rest = lines.pop() if lines and not lines[-1].endswith((b"\n", b"\r")) else b""
            yield from lines
            if len(rest) > LONGEST_PART:
                yield rest
                rest = b""
    except UnreadableFileError:
        if rest:
            yield rest
        raise
    if rest:
        yield rest + b"\n"


def _recoded(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    # Half of a character is one event's own affair too, as it is in UTF-8.
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    try:
        for piece in pieces:
            yield decoder.decode(piece).encode("utf-8", "surrogatepass")
        yield decoder.decode(b"", final=True).encode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise UnreadableFileError(f"it is no {encoding.upper()} at its end: {error.reason}") from error
