"""Files of exchange rates: CSV with the columns day, currency, usd_per_unit."""

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib import resources
from pathlib import Path

from telemetry_platform.contracts.currencies import currencies
from telemetry_platform.errors import RatesFileError, UnreadableFileError
from telemetry_platform.lake.exchange_rates import Rate
from telemetry_platform.lake.window import Window

HEADER = ("day", "currency", "usd_per_unit")

_SAMPLE = "sample_rates.csv"
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# What DECIMAL(18,9) holds: nothing is rounded behind anybody's back.
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_NAMED_LINES = 1000


def read_rates_file(file: Path) -> list[Rate]:
    """Read and check a file of rates. Raises RatesFileError, which names each bad line, UnreadableFileError."""
    latest = datetime.now(UTC).date() + timedelta(days=1)
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return checked_rates(lines, latest=latest)
    except OSError as error:
        raise UnreadableFileError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UnreadableFileError(f"{file} is no UTF-8 text: save it as CSV in UTF-8.") from error
    except RatesFileError as error:
        raise RatesFileError(f"{file}: nothing was loaded.\n{error}") from error


def checked_rates(lines: Iterable[str], *, latest: date) -> list[Rate]:
    """Rates of a file's lines, of days up to `latest`. Raises RatesFileError with a line of text for each bad one."""
    reader = csv.reader(lines, strict=True)
    names = _header(reader)
    found: dict[tuple[date, str], tuple[Rate, int]] = {}
    bad: list[str] = []
    try:
        for fields in reader:
            if not fields:
                continue
            try:
                rate = _rate(names, fields, latest)
                _, line = found.setdefault(rate[:2], (rate, reader.line_num))
                if line != reader.line_num:
                    raise ValueError(f"{rate.currency} has a rate of {rate.rate_date} on line {line} already.")
            except ValueError as error:
                bad.append(f"line {reader.line_num}: {error}")
    except csv.Error as error:
        bad.append(f"line {reader.line_num}: {error}.")
    if bad:
        more = [f"and {len(bad) - _NAMED_LINES} more lines"] if len(bad) > _NAMED_LINES else []
        raise RatesFileError("\n".join(bad[:_NAMED_LINES] + more))
    if not found:
        raise RatesFileError("It holds no rate.")
    return [rate for rate, _ in found.values()]


def _header(reader: Iterator[list[str]]) -> list[str]:
    try:
        names = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise RatesFileError(f"line 1: {error}.") from error
    if sorted(names) != sorted(HEADER):
        raise RatesFileError(f"line 1: the header must be {','.join(HEADER)}, and is {','.join(names) or 'missing'}.")
    return names


def _rate(names: list[str], fields: list[str], latest: date) -> Rate:
    """One line's rate; raises ValueError with what is wrong with it."""
    if len(fields) != len(names):
        raise ValueError(f"it has {len(fields)} fields, and the header {len(names)}.")
    day, currency, number = (dict(zip(names, map(str.strip, fields), strict=True))[name] for name in HEADER)
    if currency not in currencies():
        raise ValueError(f"{currency!r} is no ISO 4217 code of the contract, in capitals.")
    if not _NUMBER.fullmatch(number) or not Decimal(number):
        raise ValueError(
            f"usd_per_unit {number!r} is no decimal number above 0 with up to 9 digits before and 9 after the point."
        )
    if currency == "USD" and Decimal(number) != 1:
        raise ValueError(f"a US dollar is 1 US dollar, not {number}.")
    return Rate(_day(day, latest), currency, Decimal(number))


def _day(text: str, latest: date) -> date:
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise ValueError(f"day {text!r} is no day of the calendar, YYYY-MM-DD.")
    if day > latest:
        raise ValueError(f"day {day} is in the future.")
    return day


def sample_rates(window: Window) -> list[Rate]:
    """Made-up rates for every day of the window: those of the package's sample file, which are of one day."""
    text = resources.files("telemetry_platform.cli").joinpath(_SAMPLE).read_text(encoding="utf-8")
    sample = checked_rates(text.splitlines(), latest=date.max)
    return [rate._replace(rate_date=day) for day in window for rate in sample]
