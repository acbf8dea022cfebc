"""A studio's month in bronze, with what goes wrong in one, and a lake whose days can be run in any order."""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.contracts.tables.bronze_events import BRONZE_EVENTS
from telemetry_platform.games.game import Game
from telemetry_platform.games.registry import Registry
from telemetry_platform.lake.bronze_days import bronze_days
from telemetry_platform.lake.exchange_rates import Rate, load_rates
from telemetry_platform.lake.log import open_table, table_path
from telemetry_platform.lake.tables import Lake
from telemetry_platform.lake.window import Window
from telemetry_platform.partitions.affected import pending
from telemetry_platform.partitions.layers import Layers
from telemetry_platform.partitions.publishing import materialize
from telemetry_platform.partitions.recipes import RECIPES
from telemetry_platform_tests.builders import bronze_event, table

FIRST = date(2024, 3, 1)
GAMES = {
    "game": Game("game", "Game"),
    "slow": Game("slow", "Slow", session_gap_minutes=240, reporting_currency="EUR"),
}
PLAYED = ("heartbeat", "level_started", "level_failed", "level_completed")
Rows = list[dict[str, Any]]


@dataclass
class Month:
    """Events of some players over some days, in the order in which bronze receives them."""

    days: int
    random: random.Random
    rows: Rows = field(default_factory=list)
    number: int = 0

    def play(self) -> "Month":
        """Fill the month: ordinary days, and one of each thing that goes wrong."""
        for day in range(self.days):
            for player in range(4):
                if self.random.random() < 0.6:
                    self.session(f"p{player}", self.at(day, self.random.randrange(24 * 60)))
        for day in range(0, self.days, 3):
            self.session("owl", self.at(day, 23 * 60 + 50), minutes=50)
            self.session("at_closing", self.at(day, 26 * 60), minutes=160)
        self.session("bot", self.at(1, 60), minutes=min(self.days - 3, 9) * 24 * 60, every=25)
        self.session("slow_bot", self.at(2, 60), minutes=3 * 24 * 60, every=200, game_id="slow")
        for number in range(self.days):
            self.purchase(f"t{number}", self.random.randrange(self.days), self.random.randrange(self.days))
        # Of the first day there are no rates.
        rateless = json.dumps({"transaction_id": "rateless", "price_minor": 499, "currency": "EUR"})
        self.event("purchase", self.at(0, 600), player_id="p0", properties=rateless)
        for _ in range(self.days):
            self.resend()
        self.imported()
        self.identified()
        return self

    def at(self, day: int, minutes: float) -> datetime:
        """Return a moment of the month's day number `day`."""
        start = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
        return start + timedelta(days=day, minutes=minutes)

    def event(self, name: str, ts: datetime, **values: Any) -> dict[str, Any]:
        """Add an event, received a second after it happened unless `received_ts` says otherwise."""
        self.number += 1
        end = self.at(self.days, 0) - timedelta(seconds=2)
        moment = min(ts, end)
        received = values.pop("received_ts", moment + timedelta(seconds=1))
        row = bronze_event(name, moment, received_ts=received, sent_ts=received)
        row |= {"event_id": f"id{self.number:06d}", "source": "collector", "device_id": None}
        self.rows.append(row | {"kafka_offset": self.number} | values)
        return self.rows[-1]

    def session(
        self, player: str | None, start: datetime, *, minutes: int = 20, every: int = 10, **values: Any
    ) -> None:
        """Let a player play."""
        platform = self.random.choice(["ios", "android", None])
        for minute in range(0, minutes + 1, every):
            name = self.random.choice(PLAYED)
            properties = json.dumps({"level": self.random.randrange(2)}) if name != "heartbeat" else "{}"
            known = {"player_id": player, "platform": platform, "properties": properties}
            self.event(name, start + timedelta(minutes=minute), **known, **values)

    def purchase(self, transaction: str, first: int, again: int) -> None:
        """Buy something, and let the store hand it over again on another day, perhaps with another verdict."""
        for day in {first, again}:
            status = self.random.choice(["valid", "invalid", "unverified", None])
            currency, game = self.random.choice(["USD", "EUR"]), self.random.choice(["game", "slow"])
            paid = {"transaction_id": transaction, "price_minor": 499, "currency": currency, "receipt_status": status}
            moment = self.at(day, self.random.randrange(24 * 60))
            properties = json.dumps({name: value for name, value in paid.items() if value is not None})
            who = {"player_id": f"p{self.random.randrange(4)}", "game_id": game}
            self.event("purchase", moment, properties=properties, **who)
            shown = json.dumps({"revenue_micros": 12500, "currency": currency})
            self.event("ad_impression", moment, properties=shown, **who)

    def resend(self) -> None:
        """Send an event again: soon after, or, when its sending time is not known, days later on the server's clock."""
        row = self.random.choice([row for row in self.rows if row["event_name"] in PLAYED])
        later = row["received_ts"] + timedelta(minutes=self.random.choice([1, 30, 24 * 60, 3 * 24 * 60, 20 * 24 * 60]))
        if later >= self.at(self.days, 0):
            return
        self.number += 1
        again = row | {"received_ts": later, "kafka_offset": self.number}
        if self.random.random() < 0.7:
            row["sent_ts"] = again["sent_ts"] = None
            again |= {"event_ts": later, "clock_corrected": True}
        else:
            again |= {"event_ts": row["event_ts"] + timedelta(minutes=self.random.choice([-1, 1, 20]))}
        if self.random.random() < 0.3:
            again |= {"properties": '{"says": "something else"}'}
        again["event_date"] = again["event_ts"].date()
        self.rows.append(again)

    def imported(self) -> None:
        """Import history of days before and within the month, in its middle."""
        received = self.at(self.days // 2, 0)
        for day in (-3, 0, 1, self.days // 3):
            self.event(
                "heartbeat",
                self.at(day, 600),
                player_id=f"p{self.random.randrange(4)}",
                received_ts=received,
                sent_ts=None,
                source="import",
            )

    def rows_placed(self) -> Rows:
        """All rows, each with the bronze partition it belongs to."""
        return [_placed(row) for row in self.rows]

    def rates(self, parts: int) -> list[list[Rate]]:
        """Rates of the euro in so many parts, each with corrections of those before; none for the first day."""
        days = [self.at(day, 0).date() for day in range(1, self.days)]
        return [
            [
                Rate(day, "EUR", Decimal(self.random.randrange(100, 120)).scaleb(-2))
                for day in self.random.sample(days, 2)
            ]
            for _ in range(parts)
        ]

    def identified(self) -> None:
        """Let players sign in: a guest plays and goes on as an account, another account follows on the same device."""
        for number in range(4):
            guest, account, phone = f"guest{number}", f"account{number}", f"phone{number}"
            signed_in = self.random.randrange(self.days)
            for day in range(self.days):
                player = self.random.choice([guest, None]) if day <= signed_in else account
                self.session(player, self.at(day, 8 * 60), device_id=phone)
            # Which of the two is the first is known once both have arrived.
            for name, day in ((account, signed_in), (f"account{(number + 1) % 4}", self.random.randrange(self.days))):
                moment = self.at(day, self.random.randrange(24 * 60))
                received = moment + timedelta(days=self.random.choice([0, 0, 1, self.days // 2]), seconds=1)
                self.identify(name, moment, received, player_id=guest, device_id=phone)
        moment, now = self.at(-2, 600), self.at(self.days // 2, 1)
        self.identify("account3", moment, now, player_id="guest0", device_id="phone1", source="import")

    def identify(self, account: str, moment: datetime, received: datetime, **values: Any) -> None:
        """Name the account of a player and a device."""
        end = self.at(self.days, 0) - timedelta(seconds=1)
        properties = json.dumps({"account_id": account})
        self.event("identify", moment, received_ts=min(received, end), properties=properties, **values)

    def arrivals(self, count: int) -> Iterator[Rows]:
        """Yield the rows in the order of their arrival, in so many parts."""
        rows = sorted(self.rows_placed(), key=lambda row: row["received_ts"])
        bounds = sorted(self.random.sample(range(1, len(rows)), count - 1))
        for start, end in zip([0, *bounds], [*bounds, len(rows)], strict=True):
            yield rows[start:end]


def _placed(row: dict[str, Any]) -> dict[str, Any]:
    received = row["received_ts"].date()
    is_late = row["event_date"] < received - timedelta(days=1)
    arrival = "imported" if row["source"] == "import" else "late" if is_late else "on_time"
    return row | {"received_date": received, "arrival": arrival}


@dataclass(frozen=True)
class RunnableLake:
    """A lake of its own whose tables are materialized as the assets do it, without Dagster around it."""

    root: Path
    spark: SparkSession
    start_date: date = FIRST - timedelta(days=10)
    closed_through: date = date(2030, 1, 1)

    def receive(self, rows: Sequence[dict[str, Any]]) -> None:
        """Append rows to bronze."""
        Lake(str(self.root), self.spark).ensure(BRONZE_EVENTS)
        frame = table(self.spark, BRONZE_EVENTS.name, rows)
        frame.write.format("delta").mode("append").save(table_path(str(self.root), BRONZE_EVENTS.name))

    def load(self, rates: Sequence[Rate]) -> None:
        """Load exchange rates."""
        load_rates(str(self.root), rates)

    def layers(self) -> Layers:
        """What one run sees."""
        lake = Lake(str(self.root), self.spark)
        return Layers(
            lake, Registry(GAMES), bronze_days(lake.root), self.closed_through, self.start_date, RECIPES, materialize
        )

    def run(self, window: Window, names: Iterable[str] = RECIPES) -> None:
        """Materialize the days in every table, as one run."""
        layers = self.layers()
        for name in names:
            materialize(layers, name, window)

    def pending(self) -> Window | None:
        """Days that are not up to date."""
        return pending(str(self.root), bronze_days(str(self.root)), self.start_date)

    def contents(self) -> dict[str, list]:
        """All rows of every table, in an order of their own."""
        found = {}
        for name in RECIPES:
            opened = open_table(str(self.root), name)
            rows = opened.to_pyarrow_dataset().to_table(TABLES[name].schema.fieldNames()).to_pylist() if opened else []
            found[name] = sorted(sorted((key, str(value)) for key, value in row.items()) for row in rows)
        return found
