"""Text to JSON objects: one a line, several on a line, one over many lines, or all in an array."""

import json
import re
from collections.abc import Iterator
from itertools import chain

import msgspec

# As the collector looks for where an event ends: numbers may have any length, strings control characters.
LENIENT = json.JSONDecoder(parse_int=len, parse_float=len, strict=False)
_LINE_END = re.compile(rb"[\r\n]+")
# Where a line may hold more than one object; a string may hold it too.
_BETWEEN_OBJECTS = re.compile(rb"\}[ \t]*\{")
# A whole string, so that brackets in it do not count; a quote whose string goes on; a bracket. Possessive: no way
# back, linear time.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{}]', re.DOTALL)
_DEPTH = {b"{": 1, b"[": 1, b"}": -1, b"]": -1}
_SPACE = b" \t\r\n,"
_HEAD_BYTES = 64 * 1024
# Far more than an event may have, and little enough to be held.
_LARGEST_OBJECT = 16 * 1024**2


def is_object(event: bytes) -> bool:
    """Whether text is one JSON object; what is none would break the request it is sent in.

    One that only a lenient parser takes (NaN, a lone surrogate) is one: the collector keeps it as a reject.
    """
    if not event.startswith(b"{"):
        return False
    try:
        msgspec.json.decode(event, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            return isinstance(LENIENT.decode(event.decode("utf-8", "surrogateescape")), dict)
        except (ValueError, RecursionError):
            return False
    return True


def json_objects(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Objects of a text in its order; what is no object comes as the text it is, for the caller to reject.

    How the text is laid out is seen at its beginning. Line by line, a broken line costs only itself; an array, and
    objects that are indented or have no line ends at all, are told apart by their brackets. Raises EOFError for an
    array without an end, and ValueError for an object of more than 16 MiB.
    """
    head, rest = _head(chunks)
    if head.startswith(b"["):
        return _by_brackets(chain([head[1:]], rest), is_array=True)
    first_line, *others = _LINE_END.split(head, maxsplit=1)
    if first_line.strip() == b"{" or (not others and len(head) >= _HEAD_BYTES):
        return _by_brackets(chain([head], rest), is_array=False)
    return _by_lines(chain([head], rest))


def _head(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return what the text begins with, blank lines not counted, and the pieces behind it."""
    head = b""
    for chunk in chunks:
        head = (head + chunk).lstrip()
        if len(head) >= _HEAD_BYTES:
            break
    return head, chunks


def _by_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for line in _lines(chunks):
        if text := line.strip():
            yield from _objects_of_line(text) if _BETWEEN_OBJECTS.search(text) else (text,)


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Lines by any line end: JSON has none inside a string."""
    parts: list[bytes] = []
    for chunk in chunks:
        first, *others = _LINE_END.split(chunk)
        parts.append(first)
        if others:
            yield b"".join(parts)
            yield from others[:-1]
            parts = [others[-1]]
    yield b"".join(parts)


def _objects_of_line(text: bytes) -> Iterator[bytes]:
    """Objects without line ends between them, or the line itself where it is anything else."""
    found = [text] if is_object(text) else list(_by_brackets(iter([text]), is_array=False))
    yield from found if all(map(is_object, found)) else (text,)


def _by_brackets(chunks: Iterator[bytes], *, is_array: bool) -> Iterator[bytes]:
    """Objects of a text whatever stands between them; anything but space and commas comes as a piece of its own.

    Of an array, `chunks` begin behind its opening bracket.
    """
    held, depth, scanned, is_closed = b"", 0, 0, not is_array
    for chunk in chunks:
        held += chunk
        if len(held) > _LARGEST_OBJECT:
            raise ValueError(f"what begins with {held[:40]!r} has no end within 16 MiB")
        done = 0
        for token in _TOKEN.finditer(held, scanned):
            if token[0] == b'"':
                # The string goes on in the next piece.
                scanned = token.start()
                break
            scanned = token.end()
            step = _DEPTH.get(token[0], 0)
            if depth == 0 and step:
                yield from _between(held[done : token.start()])
                done = token.start() if step > 0 else token.end()
                is_closed = is_closed or token[0] == b"]"
            elif step < 0 and depth == 1:
                yield from _between(held[done : token.end()])
                done = token.end()
            depth = max(0, depth + step)
        held, scanned = held[done:], scanned - done
    if not is_closed:
        raise EOFError("the array it holds is not closed")
    yield from _between(held)


def _between(text: bytes) -> Iterator[bytes]:
    if kept := text.strip(_SPACE):
        yield kept
