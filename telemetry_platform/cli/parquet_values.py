"""Arrow arrays to what JSON can hold, column by column; `docs/import.md` has the table.

A value that has no JSON form becomes an Unreadable in its place, and so does whatever holds it: no value of
one row can stop the others. Hence no Python dates and times from Arrow, which raise for the whole column.
"""

import math
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.types as kinds

from telemetry_platform.cli.import_objects import LENIENT
from telemetry_platform.cli.unreadable import Unreadable
from telemetry_platform.collector.error_types import EventError

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the offset is written behind, as the column has a zone or none
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_DAY_NANOSECONDS = 86_400 * 10**9
# Beyond it a double no longer tells one whole number from the next.
_LARGEST_WHOLE = 2**53
_UUID_BYTES = 16


def values(array: pa.Array) -> list[Any]:
    """Return each value as JSON can hold it: None where there is none, Unreadable where there is no such form."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _extension_values(array)
    if kinds.is_dictionary(kind):
        return values(array.dictionary_decode())
    if kinds.is_struct(kind):
        return _objects(array)
    if kinds.is_map(kind):
        return _maps(array)
    if any(is_kind(kind) for is_kind in _LISTS):
        return _lists(array)
    if any(is_kind(kind) for is_kind in _TEXTS):
        try:
            return array.to_pylist()
        except UnicodeDecodeError:
            return _each(_text, array.cast(pa.large_binary()).to_pylist())
    if any(is_kind(kind) for is_kind in _AS_THEY_ARE):
        return array.to_pylist()
    return _each(*_read(array))


def json_objects(array: pa.Array) -> list[Any]:
    """Return a column of JSON text as values; a text that is not one object is Unreadable."""
    if isinstance(array.type, pa.JsonType):
        array = array.storage
    return [_json_object(value) if isinstance(value, str) else value for value in values(array)]


def uuids(array: pa.Array) -> list[Any]:
    """Return a column of UUIDs as text, whether they are text already or the 16 bytes."""
    if kinds.is_dictionary(array.type):
        array = array.dictionary_decode()
    if not any(is_kind(array.type) for is_kind in _BINARIES):
        return values(array)
    raw = array.to_pylist()
    return _each(lambda value: str(uuid.UUID(bytes=value)) if len(value) == _UUID_BYTES else _text(value), raw)


def first_unreadable(parts: Iterable[tuple[str, Any]]) -> Unreadable | None:
    """Return the first value that has no JSON form, with its place in front of the message."""
    for name, part in parts:
        if type(part) is Unreadable:
            return Unreadable(part.error_type, f"/{name}{part.message}")
    return None


_LISTS: tuple[Callable[[pa.DataType], bool], ...] = (
    kinds.is_list,
    kinds.is_large_list,
    kinds.is_fixed_size_list,
    kinds.is_list_view,
    kinds.is_large_list_view,
)
_TEXTS = (kinds.is_string, kinds.is_large_string, kinds.is_string_view)
_BINARIES = (kinds.is_binary, kinds.is_large_binary, kinds.is_fixed_size_binary, kinds.is_binary_view)
_AS_THEY_ARE = (kinds.is_boolean, kinds.is_integer, kinds.is_null)


def _each(convert: Callable[[Any], Any], found: Iterable[Any]) -> list[Any]:
    return [None if value is None else convert(value) for value in found]


def _read(array: pa.Array) -> tuple[Callable[[Any], Any], list[Any]]:
    """How to convert one value of a column, and its values in a form that Arrow can give for any of them."""
    kind = array.type
    if kinds.is_floating(kind):
        return _number, array.to_pylist()
    if kinds.is_decimal(kind):
        return _decimal, array.to_pylist()
    if any(is_kind(kind) for is_kind in _BINARIES):
        return _text, array.to_pylist()
    if kinds.is_timestamp(kind):
        digits, zone = _DIGITS[kind.unit], "+00:00" if kind.tz else "Z"
        return lambda value: _moment(value, digits, zone), array.cast(pa.int64()).to_pylist()
    if kinds.is_date32(kind):
        return _day, array.cast(pa.int32()).to_pylist()
    if kinds.is_date64(kind):
        return lambda value: _day(value // 86_400_000), array.cast(pa.int64()).to_pylist()
    if kinds.is_time(kind):
        digits = _DIGITS[kind.unit]
        return lambda value: _time_of_day(value, digits), array.view(f"int{kind.bit_width}").to_pylist()
    if kinds.is_duration(kind):
        digits = _DIGITS[kind.unit]
        return lambda value: _decimal(Decimal(value).scaleb(-digits)), array.cast(pa.int64()).to_pylist()
    unknown = Unreadable(EventError.SCHEMA_VIOLATION, f": a value of the type {kind} has no JSON form")
    return lambda _: unknown, [valid or None for valid in array.is_valid().to_pylist()]


def _extension_values(array: Any) -> list[Any]:
    storage = array.storage
    if isinstance(array.type, pa.UuidType):
        return uuids(storage)
    if isinstance(array.type, pa.Bool8Type):
        return _each(bool, storage.to_pylist())
    if isinstance(array.type, pa.JsonType):
        return [_json(value) if isinstance(value, str) else value for value in values(storage)]
    return values(storage)


def _objects(array: Any) -> list[Any]:
    names = [field.name for field in array.type]
    columns = [values(array.field(index)) for index in range(len(names))]
    rows = zip(*columns, strict=True) if columns else [()] * len(array)
    valid = array.is_valid().to_pylist()
    return [_object(names, row) if is_valid else None for row, is_valid in zip(rows, valid, strict=True)]


def _object(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any] | Unreadable:
    found = {name: value for name, value in zip(names, row, strict=True) if value is not None}
    return first_unreadable(found.items()) or found


def _maps(array: Any) -> list[Any]:
    keys, items = values(array.keys), values(array.items)
    return [None if span is None else _map(keys[span], items[span]) for span in _spans(array)]


def _map(keys: Sequence[Any], items: Sequence[Any]) -> dict[str, Any] | Unreadable:
    texts = [_key(key) for key in keys]
    for text in texts:
        if isinstance(text, Unreadable):
            return text
    if len(set(texts)) < len(texts):
        return Unreadable(EventError.SCHEMA_VIOLATION, ": a map has the same key twice")
    return _object(texts, items)


def _key(key: Any) -> Any:
    if key is None:
        return Unreadable(EventError.SCHEMA_VIOLATION, ": a map has a key that is no value")
    if isinstance(key, str | Unreadable):
        return key
    if isinstance(key, dict | list):
        return Unreadable(EventError.SCHEMA_VIOLATION, ": a map has keys that are no scalars")
    return msgspec.json.encode(key).decode()


def _lists(array: Any) -> list[Any]:
    items = values(array.values)
    return [None if span is None else _list(items[span]) for span in _spans(array)]


def _list(items: list[Any]) -> list[Any] | Unreadable:
    return first_unreadable((str(place), item) for place, item in enumerate(items)) or items


def _spans(array: Any) -> list[slice | None]:
    """Where each row's items stand among those of the whole column; None for a row that is NULL."""
    kind, count = array.type, len(array)
    if kinds.is_fixed_size_list(kind):
        starts = [(array.offset + row) * kind.list_size for row in range(count)]
        ends = [start + kind.list_size for start in starts]
    else:
        starts = array.offsets.to_pylist()
        if kinds.is_list_view(kind) or kinds.is_large_list_view(kind):
            ends = [start + size for start, size in zip(starts, array.sizes.to_pylist(), strict=True)]
        else:
            starts, ends = starts[:-1], starts[1:]
    valid = array.is_valid().to_pylist()
    return [slice(*span) if is_valid else None for *span, is_valid in zip(starts, ends, valid, strict=True)]


def _text(value: bytes) -> str | Unreadable:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        return Unreadable(EventError.INVALID_STRING, f": the bytes are not valid UTF-8: {error.reason}")


def _number(value: float) -> float | int | Unreadable | None:
    """Whole doubles lose their fraction: tools that know no integers with NULLs make doubles of them."""
    if math.isfinite(value):
        return int(value) if value.is_integer() and abs(value) <= _LARGEST_WHOLE else value
    return None if math.isnan(value) else Unreadable(EventError.NUMBER_NOT_FINITE, f": {value} is not a finite number")


def _decimal(value: Decimal) -> msgspec.Raw:
    # Not through a double, which has 15 digits, nor an integer of the encoder, which has 64 bits.
    return msgspec.Raw(f"{int(value)}" if value == value.to_integral_value() else f"{value:f}")


def _moment(value: int, digits: int, zone: str) -> str | Unreadable:
    micros, nanos = divmod(value * 10 ** (9 - digits), 1000)
    try:
        moment = _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        seconds = Decimal(value).scaleb(-digits)
        message = f": {seconds} seconds after 1970 is a time outside the years 1 to 9999"
        return Unreadable(EventError.SCHEMA_VIOLATION, message)
    return f"{moment.isoformat(timespec='microseconds')}{nanos:03}{zone}" if nanos else f"{moment.isoformat()}{zone}"


def _day(days: int) -> str | Unreadable:
    try:
        return (date(1970, 1, 1) + timedelta(days=days)).isoformat()
    except OverflowError:
        return Unreadable(EventError.SCHEMA_VIOLATION, f": {days} days after 1970 is a day outside the years 1 to 9999")


def _time_of_day(value: int, digits: int) -> str | Unreadable:
    nanoseconds = value * 10 ** (9 - digits)
    if not 0 <= nanoseconds < _DAY_NANOSECONDS:
        return Unreadable(EventError.SCHEMA_VIOLATION, f": {value} is no time of a day")
    moment = _moment(nanoseconds, 9, "")
    return moment if isinstance(moment, Unreadable) else moment.partition("T")[2]


def _json(text: str) -> msgspec.Raw | Unreadable | None:
    """One JSON value as it is written, so that its numbers keep their digits; None for `null`.

    That it is one value is what keeps a text from closing the event and going on with keys of its own. What
    only a lenient parser takes (NaN, a lone surrogate) is one too: the collector says what is wrong with it.
    """
    text = text.strip(" \t\r\n")
    raw = text.encode()
    try:
        msgspec.json.decode(raw, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        try:
            LENIENT.decode(text)
        except (ValueError, RecursionError):
            return Unreadable(EventError.UNREADABLE_EVENT, ": the text is not one JSON value")
    return None if text == "null" else msgspec.Raw(raw)


def _json_object(text: str) -> msgspec.Raw | Unreadable:
    found = _json(text)
    if found is None or (isinstance(found, msgspec.Raw) and not bytes(found).startswith(b"{")):
        return Unreadable(EventError.UNREADABLE_EVENT, ": the text is not one JSON object")
    return found
