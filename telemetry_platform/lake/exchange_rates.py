"""`reference.exchange_rates` without a JVM: rates are loaded, and what holds on a day is told by a number."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

import pyarrow as pa
from deltalake import DeltaTable, Schema

from telemetry_platform.contracts.tables.exchange_rates import EXCHANGE_RATES, RATE_DAYS
from telemetry_platform.lake.lease import lease
from telemetry_platform.lake.log import open_table, table_path
from telemetry_platform.lake.window import Window

_SCHEMA = pa.schema([("rate_date", pa.date32()), ("currency", pa.string()), ("usd_per_unit", pa.decimal128(18, 9))])


class Rate(NamedTuple):
    """US dollars for one unit of a currency, as published for a day."""

    rate_date: date
    currency: str
    usd_per_unit: Decimal


@dataclass(frozen=True)
class ExchangeRates:
    """All rates of a lake, by the day they were published for."""

    by_day: Mapping[date, Mapping[str, Decimal]]

    def of(self, window: Window) -> pa.Table:
        """Rows that can hold on the days of the window: published on them, or up to 7 days before."""
        published = window.widened(before=RATE_DAYS)
        return _rows(Rate(day, *rate) for day in published for rate in sorted(self.by_day.get(day, {}).items()))

    def fingerprint(self, day: date) -> int:
        """A number that is another one when any currency's rate on `day` is; 0 when none has one."""
        newest: dict[str, Decimal] = {}
        for published in Window.of_days(day - timedelta(days=RATE_DAYS), day):
            newest |= self.by_day.get(published, {})
        if not newest:
            return 0
        text = " ".join(f"{currency}={rate:.9f}" for currency, rate in sorted(newest.items()))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True)


@dataclass(frozen=True)
class Loaded:
    """What became of the rates of one load."""

    new: int
    changed: int
    unchanged: int


def read_rates(root: str) -> ExchangeRates:
    """Read the rates of the lake at `root`; none were ever loaded into most."""
    by_day: dict[date, dict[str, Decimal]] = {}
    for rate in _stored(open_table(root, EXCHANGE_RATES.name)):
        by_day.setdefault(rate.rate_date, {})[rate.currency] = rate.usd_per_unit
    return ExchangeRates(by_day)


def load_rates(root: str, rates: Collection[Rate], *, only_missing: bool = False) -> Loaded:
    """Put rates into the table in one commit, in place of those of the same day and currency.

    With `only_missing` those that are there stay. What is there already as it stands is not written again.
    Raises TableBusy when another process writes to the table.
    """
    with lease(root, EXCHANGE_RATES.name, owner=f"loading {len(rates)} rates") as held:
        table = open_table(root, EXCHANGE_RATES.name)
        there = {rate[:2]: rate.usd_per_unit for rate in _stored(table)}
        new = [rate for rate in rates if rate[:2] not in there]
        changed = [rate for rate in rates if rate.usd_per_unit != there.get(rate[:2], rate.usd_per_unit)]
        written = new if only_missing else [*new, *changed]
        if written:
            held.check()
            _merge(table or _create(root), written)
    replaced = len(written) - len(new)
    return Loaded(len(new), replaced, len(rates) - len(new) - replaced)


def _stored(table: DeltaTable | None) -> Iterator[Rate]:
    if table is not None:
        for row in table.to_pyarrow_table(columns=_SCHEMA.names).to_pylist():
            yield Rate(**row)


def _rows(rates: Iterable[Rate]) -> pa.Table:
    return pa.Table.from_pylist([rate._asdict() for rate in rates], schema=_SCHEMA)


def _create(root: str) -> DeltaTable:
    address = table_path(root, EXCHANGE_RATES.name).replace("s3a://", "s3://")
    schema = Schema.from_json(EXCHANGE_RATES.schema.json())
    return DeltaTable.create(address, schema, mode="ignore", description=EXCHANGE_RATES.description)


def _merge(table: DeltaTable, rates: Collection[Rate]) -> None:
    (
        table.merge(
            _rows(rates),
            "stored.rate_date = loaded.rate_date AND stored.currency = loaded.currency",
            source_alias="loaded",
            target_alias="stored",
        )
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
    )
