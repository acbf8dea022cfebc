"""`telemetry rates`: the exchange rates that money of other currencies is converted with."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from telemetry_platform.cli.commands import Commands
from telemetry_platform.cli.console import console, print_json, write
from telemetry_platform.cli.rates_file import HEADER, read_rates_file, sample_rates
from telemetry_platform.errors import TelemetryError
from telemetry_platform.lake.exchange_rates import Loaded, load_rates, read_rates
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.affected import days_with_other_rates
from telemetry_platform.settings import Settings, current_settings

app = Commands(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]


@app.command("load")
def load(
    file: Annotated[Path, typer.Argument(help="CSV with the columns day, currency, usd_per_unit.", dir_okay=False)],
    as_json: AsJson = False,
) -> None:
    """Load exchange rates: US dollars for one unit of a currency, by day; all of a file, or nothing of it.

    A rate holds on its day and, where no newer one is there, on the 7 days after it. Rates that are there already
    for the same day and currency are replaced. Money of stored days is converted anew by the next
    `telemetry materialize --pending`.

    Example: telemetry rates load rates.csv
    """
    settings = current_settings()
    loaded = load_rates(settings.lake, read_rates_file(file))
    days = sorted(days_with_other_rates(settings.lake))
    if as_json:
        print_json(asdict(loaded) | {"days_to_materialize": [day.isoformat() for day in days]})
        return
    console.print(f"{loaded.new} new rates, {loaded.changed} changed, {loaded.unchanged} as they were.")
    console.print(_what_to_do(days), soft_wrap=True)


def _what_to_do(days: Sequence[date]) -> str:
    if not days:
        return "No stored day is converted otherwise with them: there is nothing to materialize again."
    span = str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"{len(days)} stored days ({span}) are to be converted anew: run `telemetry materialize --pending`."


@app.command("list")
def list_rates(as_json: AsJson = False) -> None:
    """List the currencies that have rates: the days of the first and the newest one, how many, and the newest.

    Example: telemetry rates list
    """
    rows: dict[str, dict] = {}
    for day, rates in sorted(read_rates(current_settings().lake).by_day.items()):
        for currency, rate in rates.items():
            row = rows.setdefault(currency, {"currency": currency, "first_day": day.isoformat(), "days": 0})
            row |= {"newest_day": day.isoformat(), "days": row["days"] + 1, "usd_per_unit": rate}
    listed = [rows[currency] for currency in sorted(rows)]
    if as_json:
        print_json(listed)
        return
    if not listed:
        console.print("There are no rates yet: `telemetry rates load FILE` loads some. US dollars need none.")
        return
    table = Table("currency", "first day", "newest day", "days", "newest: USD per unit")
    for row in listed:
        cells = (row["currency"], row["first_day"], row["newest_day"], str(row["days"]), f"{row['usd_per_unit']:f}")
        table.add_row(*cells)
    console.print(table)


@app.command("sample")
def sample(
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day, included.")],
) -> None:
    """Print made-up rates of some days as a file to load: for trying things out, not for accounts.

    Example: telemetry rates sample --from 2026-11-01 --to 2026-11-27 > rates.csv
    """
    if first > last:
        raise TelemetryError(f"--from {first.date()} is after --to {last.date()}.")
    rates = sample_rates(Window.of_days(first.date(), last.date()))
    lines = [",".join(HEADER), *(f"{rate.rate_date},{rate.currency},{rate.usd_per_unit:f}" for rate in rates)]
    write("\n".join(lines) + "\n")


def load_sample_rates(settings: Settings, window: Window) -> Loaded:
    """Give the days of the window sample rates where they have none, for the demo."""
    return load_rates(settings.lake, sample_rates(window), only_missing=True)
