"""`telemetry rates` as a user calls it."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from deltalake import DeltaTable, Schema
from typer.testing import CliRunner

from telemetry_platform.cli import rates as command
from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.errors import RatesFileError, UnreadableFileError
from telemetry_platform.lake.exchange_rates import ExchangeRates, Rate, load_rates, read_rates
from telemetry_platform.lake.manifest import Materialized, Written, begin, finish
from telemetry_platform.lake.window import Window
from telemetry_platform.settings import read_settings

DAY = date(2024, 3, 10)
HEADER = "day,currency,usd_per_unit"


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    settings = read_settings({"TELEMETRY_HOME": str(tmp_path / "home")})
    monkeypatch.setattr(command, "current_settings", lambda: settings)
    return settings.lake


def file(tmp_path: Path, *lines: str, header: str = HEADER) -> str:
    path = tmp_path / "rates.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return str(path)


def call(*arguments: str):
    return CliRunner().invoke(command.app, arguments)


def versions(lake: str) -> int:
    return DeltaTable(f"{lake}/reference/exchange_rates").version()


def test_a_file_is_loaded_and_loading_it_again_writes_nothing(lake: str, tmp_path: Path):
    rates = file(tmp_path, "2024-03-10,EUR,1.08", "2024-03-11, JPY ,0.0067", "", "2024-03-11,EUR,999999999.123456789")
    first = call("load", rates, "--json")
    assert first.exit_code == 0, first.output
    assert json.loads(first.output) == {"new": 3, "changed": 0, "unchanged": 0, "days_to_materialize": []}
    loaded = versions(lake)
    assert json.loads(call("load", rates, "--json").output)["unchanged"] == 3
    assert versions(lake) == loaded
    assert read_rates(lake).by_day == {
        DAY: {"EUR": Decimal("1.080000000")},
        DAY + timedelta(days=1): {"EUR": Decimal("999999999.123456789"), "JPY": Decimal("0.006700000")},
    }


def test_a_rate_of_the_same_day_and_currency_takes_the_place_of_the_one_before(lake: str, tmp_path: Path):
    call("load", file(tmp_path, "2024-03-10,EUR,1.08", "2024-03-10,JPY,0.0067"))
    again = call("load", file(tmp_path, "1.09,2024-03-10,EUR", header="usd_per_unit,day,currency"))
    assert again.output.startswith("0 new rates, 1 changed, 0 as they were.\nNo stored day")
    assert read_rates(lake).by_day == {DAY: {"EUR": Decimal("1.09"), "JPY": Decimal("0.0067")}}


def test_the_table_is_made_as_its_contract_says(lake: str, tmp_path: Path):
    call("load", file(tmp_path, "2024-03-10,EUR,1.08"))
    fields = json.loads(DeltaTable(f"{lake}/reference/exchange_rates").schema().to_json())["fields"]
    assert [(field["name"], field["type"], field["metadata"]["comment"]) for field in fields] == [
        ("rate_date", "date", "Day the rate was published for."),
        ("currency", "string", "ISO 4217 code."),
        ("usd_per_unit", "decimal(18,9)", "US dollars for one unit."),
    ]


def test_each_bad_line_is_named_and_nothing_is_loaded(lake: str, tmp_path: Path):
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    bad = {
        "2024-03-10,eur,1.08": "'eur' is no ISO 4217 code",
        "2024-03-10,EURO,1.08": "'EURO' is no ISO 4217 code",
        "2024-02-30,EUR,1.08": "day '2024-02-30' is no day",
        "10.03.2024,EUR,1.08": "day '10.03.2024' is no day",
        "20240310,EUR,1.08": "day '20240310' is no day",
        f"{tomorrow + timedelta(days=1)},EUR,1.08": "is in the future",
        "2024-03-10,EUR,0": "usd_per_unit '0' is no decimal number above 0",
        "2024-03-10,EUR,0.0000000001": "usd_per_unit '0.0000000001'",
        "2024-03-10,EUR,1234567890": "usd_per_unit '1234567890'",
        "2024-03-10,EUR,-1": "usd_per_unit '-1'",
        "2024-03-10,EUR,1e3": "usd_per_unit '1e3'",
        "2024-03-10,EUR,NaN": "usd_per_unit 'NaN'",
        '2024-03-10,EUR,"1,08"': "usd_per_unit '1,08'",
        "2024-03-10,EUR,": "usd_per_unit ''",
        "2024-03-10,EUR": "it has 2 fields, and the header 3",
        "2024-03-10,EUR,1,08": "it has 4 fields, and the header 3",
        "2024-03-10,USD,1.1": "a US dollar is 1 US dollar",
        "2024-03-11,GBP,1.3": "GBP has a rate of 2024-03-11 on line 2 already",
        '2024-03-11,CHF,"1': "unexpected end of data",
    }
    path = file(tmp_path, "2024-03-11,GBP,1.2", f"{tomorrow},EUR,1", "2024-03-10,USD,1", *bad)
    result = call("load", path)
    assert isinstance(result.exception, RatesFileError)
    named = str(result.exception).splitlines()
    assert named[0].endswith("rates.csv: nothing was loaded.")
    assert len(named) == len(bad) + 1
    for number, (line, reason) in enumerate(zip(named[1:], bad.values(), strict=True), start=5):
        assert line.startswith(f"line {number}: ")
        assert reason in line
    assert read_rates(lake).by_day == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the header must be day,currency,usd_per_unit, and is missing"),
        (b"day;currency;usd_per_unit\n", "the header must be"),
        (b"day,currency,rate\n2024-03-10,EUR,1\n", "and is day,currency,rate"),
        (b"day,currency,usd_per_unit\n\n", "It holds no rate"),
    ],
)
def test_a_file_without_the_header_or_without_rates_is_refused(lake: str, tmp_path: Path, content: bytes, message: str):
    (tmp_path / "rates.csv").write_bytes(content)
    result = call("load", str(tmp_path / "rates.csv"))
    assert isinstance(result.exception, RatesFileError)
    assert message in str(result.exception)


def test_a_file_that_cannot_be_read_is_named(lake: str, tmp_path: Path):
    (tmp_path / "rates.csv").write_bytes(b"\xff\xfe\x00")
    for path in ("rates.csv", "missing.csv"):
        result = call("load", str(tmp_path / path))
        assert isinstance(result.exception, UnreadableFileError)
        assert path in str(result.exception)


def test_a_byte_order_mark_and_line_ends_of_windows_are_no_part_of_the_rates(lake: str, tmp_path: Path):
    (tmp_path / "rates.csv").write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n2024-03-10,EUR,1.08\r\n".encode())
    assert call("load", str(tmp_path / "rates.csv")).exit_code == 0
    assert read_rates(lake).by_day == {DAY: {"EUR": Decimal("1.08")}}


def test_loading_says_which_stored_days_are_to_be_materialized_again(lake: str, tmp_path: Path):
    days = [DAY + timedelta(days=number) for number in range(12)]
    for name in ("silver.purchases", "silver.ad_impressions"):
        entries = [Materialized(day, "writing", 0, 0, 0, 0) for day in days]
        begin(lake, name, entries)
        table = tmp_path / "home" / "lake" / name.replace(".", "/")
        created = DeltaTable.create(str(table), Schema.from_json(TABLES[name].schema.json()))
        finish(lake, name, entries, Written(created.version(), dict.fromkeys(days, 0)))
    answer = call("load", file(tmp_path, "2024-03-12,EUR,1.08"), "--json")
    assert json.loads(answer.output)["days_to_materialize"] == [str(day) for day in days[2:10]]
    told = call("load", file(tmp_path, "2024-03-12,EUR,1.08"))
    assert "8 stored days (2024-03-12 to 2024-03-19) are to be converted anew" in told.output


def test_a_days_fingerprint_is_that_of_the_rates_that_hold_on_it():
    def rates(**changes: str) -> ExchangeRates:
        found = {"d0": "1.1", "d3": "1.2"} | changes
        by_day = {DAY + timedelta(days=int(name[1:])): {"EUR": Decimal(rate)} for name, rate in found.items()}
        return ExchangeRates(by_day)

    def differing(other: ExchangeRates) -> list[int]:
        days = range(-1, 14)
        one = rates()
        shifted = [(number, DAY + timedelta(days=number)) for number in days]
        return [number for number, day in shifted if one.fingerprint(day) != other.fingerprint(day)]

    assert differing(rates(d0="1.10")) == []
    assert differing(rates(d0="1.3")) == [0, 1, 2]
    assert differing(rates(d3="1.3")) == [3, 4, 5, 6, 7, 8, 9, 10]
    assert differing(rates(d5="1.3")) == [5, 6, 7, 8, 9, 10, 11, 12]
    assert differing(rates(d5="1.2")) == [11, 12]
    assert ExchangeRates({}).fingerprint(DAY) == 0


def test_list_shows_each_currency_once(lake: str):
    assert call("list").output.startswith("There are no rates yet")
    load_rates(lake, [Rate(DAY, "EUR", Decimal("1.08")), Rate(DAY, "JPY", Decimal("0.0067"))])
    load_rates(lake, [Rate(DAY + timedelta(days=2), "EUR", Decimal("1.09"))])
    assert json.loads(call("list", "--json").output) == [
        {"currency": "EUR", "first_day": "2024-03-10", "days": 2, "newest_day": "2024-03-12", "usd_per_unit": 1.09},
        {"currency": "JPY", "first_day": "2024-03-10", "days": 1, "newest_day": "2024-03-10", "usd_per_unit": 0.0067},
    ]
    assert "2024-03-12" in call("list").output


def test_sample_rates_are_a_file_to_load_and_leave_real_ones_alone(lake: str, tmp_path: Path):
    printed = call("sample", "--from", "2024-03-10", "--to", "2024-03-11").output
    (tmp_path / "rates.csv").write_text(printed)
    loaded = json.loads(call("load", str(tmp_path / "rates.csv"), "--json").output)
    assert loaded["new"] == 2 * len(read_rates(lake).by_day[DAY]) > 50
    load_rates(lake, [Rate(DAY, "EUR", Decimal("7"))])
    settings = command.current_settings()
    again = command.load_sample_rates(settings, Window.of_days(DAY, DAY + timedelta(days=2)))
    assert (again.new, again.changed) == (loaded["new"] // 2, 0)
    assert read_rates(lake).by_day[DAY]["EUR"] == 7
