"""Rows of a statement as text: a table where it fits, upright where it does not, or JSON."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from rich.cells import cell_len

from telemetry_platform.cli.console import printable, printable_lines, to_json

Row = tuple[Any, ...]


def text_lines(columns: Sequence[str], rows: Sequence[Row], width: int) -> Iterator[str]:
    """Lines of a table of at most `width` cells; rows that need more stand upright, one column a line.

    Names of columns are never cut, nor are values: upright, a long one is left to the terminal. NULL is empty.
    """
    names = [printable(name) for name in columns]
    cells = [[_text(value) for value in row] for row in rows]
    widths = [_width(texts) for texts in zip(names, *cells, strict=True)]
    if sum(widths) + 3 * len(widths) + 1 <= width:
        yield from _bordered(names, cells, widths)
    elif sum(widths) + len(widths) - 1 <= width:
        yield from _dense(names, cells, widths)
    else:
        yield from _upright(names, cells)


def json_lines(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """One JSON object a row; a name that stands for several columns gets a number from the second on."""
    names = _unique(columns)
    for row in rows:
        yield to_json({name: _plain(value) for name, value in zip(names, row, strict=True)})


def _text(value: Any) -> str:
    return "" if value is None else printable_lines(str(value))


def _width(texts: Iterable[str]) -> int:
    return max(cell_len(line) for text in texts for line in text.split("\n"))


def _bordered(names: list[str], cells: list[list[str]], widths: list[int]) -> Iterator[str]:
    yield "┏" + "┳".join("━" * (width + 2) for width in widths) + "┓"
    yield "┃ " + " ┃ ".join(_padded(names, widths)) + " ┃"
    yield "┡" + "╇".join("━" * (width + 2) for width in widths) + "┩"
    for row in cells:
        for line in _physical_lines(row):
            yield "│ " + " │ ".join(_padded(line, widths)) + " │"
    yield "└" + "┴".join("─" * (width + 2) for width in widths) + "┘"


def _dense(names: list[str], cells: list[list[str]], widths: list[int]) -> Iterator[str]:
    yield "│".join(_padded(names, widths))
    yield "┼".join("─" * width for width in widths)
    for row in cells:
        for line in _physical_lines(row):
            yield "│".join(_padded(line, widths))


def _upright(names: list[str], cells: list[list[str]]) -> Iterator[str]:
    width = _width(names)
    if not cells:
        yield from names
    for number, row in enumerate(cells, start=1):
        yield f"─ row {number} " + "─" * width
        for name, text in zip(names, row, strict=True):
            first, *others = text.split("\n")
            yield f"{_pad(name, width)} │ {first}"
            # Under the value and behind the line: a value cannot look like another column.
            yield from (f"{' ' * width} │ {other}" for other in others)


def _physical_lines(row: list[str]) -> Iterator[list[str]]:
    split = [text.split("\n") for text in row]
    for number in range(max(map(len, split))):
        yield [lines[number] if number < len(lines) else "" for lines in split]


def _padded(texts: list[str], widths: list[int]) -> Iterator[str]:
    return (_pad(text, width) for text, width in zip(texts, widths, strict=True))


def _pad(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _unique(columns: Sequence[str]) -> list[str]:
    taken = set(columns)
    names: list[str] = []
    for column in columns:
        name, number = column, 1
        while name in names or (number > 1 and name in taken):
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names


def _plain(value: Any) -> Any:
    """Days and times in ISO 8601, bytes as hexadecimal digits, keys as text; the encoder knows the rest."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, bytes | bytearray | memoryview):
        return value.hex()
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    return value
