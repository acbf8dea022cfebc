"""What a run reads: stored days that hold all of their bronze rows, made sure of before they are read.

A partition must not depend on what else was run. So a day that was never materialized, that failed or that has
gained rows since is not read as it stands, and not taken for an empty one: it is materialized first.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from pyspark.sql import DataFrame

from telemetry_platform.games.game import Game
from telemetry_platform.games.registry import Registry
from telemetry_platform.lake.bronze_days import BronzeDays
from telemetry_platform.lake.exchange_rates import ExchangeRates, read_rates
from telemetry_platform.lake.manifest import Materialized, materialized_days
from telemetry_platform.lake.tables import Lake
from telemetry_platform.lake.window import Window

Recipe = Callable[["Layers", Window], DataFrame]


@dataclass
class Layers:
    """The tables as one run sees them: bronze at one version, and everything above it as a function of that.

    `recipes` say how the rows of a table's days are computed from the layers below, `materialize` writes them;
    `start_date` is the first daily partition. `made` are the days that were materialized because they were needed,
    `found` is what more than one table looks for.
    """

    lake: Lake
    registry: Registry
    bronze: BronzeDays
    closed_through: date
    start_date: date
    recipes: Mapping[str, Recipe]
    materialize: Callable[["Layers", str, Window], object]
    made: list[tuple[str, Window]] = field(default_factory=list)
    found: dict[Hashable, Any] = field(default_factory=dict)
    _entries: dict[str, dict[date, Materialized]] = field(default_factory=dict)

    @property
    def games(self) -> Mapping[str, Game]:
        """Games whose registry entry can be read."""
        return self.registry.games

    def bronze_rows(self, window: Window) -> DataFrame:
        """Good bronze rows of these event days, whenever received."""
        return self.lake.read_bronze(window, version=self.bronze.version)

    @cached_property
    def exchange_rates(self) -> ExchangeRates:
        """Exchange rates as they were when this run first asked."""
        return read_rates(self.lake.root)

    def rates(self, window: Window) -> DataFrame:
        """Rows of reference.exchange_rates that can hold on these days."""
        return self.lake.spark.createDataFrame(self.exchange_rates.of(window))

    def refused_rows(self, window: Window) -> DataFrame:
        """Bronze rows with an error that were received on these days."""
        return self.lake.read_refused(window, version=self.bronze.version)

    def entries(self, name: str) -> dict[date, Materialized]:
        """What the manifest says of the days of a table; read once a run."""
        if name not in self._entries:
            self._entries[name] = materialized_days(self.lake.root, name)
        return self._entries[name]

    def written(self, name: str, entries: Iterable[Materialized]) -> None:
        """Take note of days that this run has written."""
        self.entries(name).update({entry.day: entry for entry in entries})

    def first_day(self, until: date) -> date:
        """First partition that bronze has rows of, at the latest `until`."""
        days = [day for day, rows in self.bronze.rows.items() if rows and day >= self.start_date]
        return min([*days, until])

    def has_rows(self, window: Window) -> bool:
        """Whether bronze has good rows of these event days."""
        return any(self.bronze.rows.get(day) for day in window)

    def is_complete(self, name: str, day: date) -> bool:
        """Whether the stored day holds all bronze rows of that day. A day that is not closed is taken as it stands."""
        entry = self.entries(name).get(day)
        if entry is None or entry.state != "done":
            return False
        return entry.bronze_rows == self.bronze.rows.get(day, 0) or day > self.closed_through

    def incomplete(self, name: str, window: Window) -> list[date]:
        """Days of the window that have bronze rows which are not in the table."""
        return [day for day in window if self.bronze.rows.get(day) and not self.is_complete(name, day)]

    def complete(self, name: str, window: Window) -> None:
        """Materialize the days of the window whose stored rows are not all there."""
        for part in contiguous(self.incomplete(name, window)):
            self.materialize(self, name, part)
            self.made.append((name, part))

    def rows(self, name: str, window: Window) -> DataFrame:
        """Rows of a table that has them by event day, every day of it complete."""
        self.complete(name, window)
        return self.lake.read(name, contiguous(day for day in window if self.is_complete(name, day)))

    def around(self, name: str, window: Window, days: int) -> DataFrame | None:
        """Rows of the table up to so many days before and after the window; None when there is none."""
        sides = (
            Window(window.start - timedelta(days=days), window.start),
            Window(window.end, window.end + timedelta(days=days)),
        )
        for side in sides:
            self.complete(name, side)
        entries = self.entries(name)
        held = [day for side in sides for day in side if self.is_complete(name, day) and entries[day].rows]
        return self.lake.read(name, contiguous(held)) if held else None


def contiguous(days: Iterable[date]) -> list[Window]:
    """Days as few windows, in order."""
    return list(_runs(sorted(days)))


def _runs(days: list[date]) -> Iterator[Window]:
    start = 0
    for number, day in enumerate(days):
        if number + 1 == len(days) or days[number + 1] != day + timedelta(days=1):
            yield Window.of_days(days[start], day)
            start = number + 1
