"""A half-open range of days: what a run reads and what it replaces are the same object."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from telemetry_platform.errors import LakeError


@dataclass(frozen=True)
class Window:
    """Days from `start` up to, not including, `end`; never empty."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise LakeError(f"The window [{self.start}, {self.end}) holds no day: give an end after its start.")

    @classmethod
    def between(cls, start: datetime, end: datetime) -> "Window":
        """Window of a partition's time range; both ends are midnights."""
        return cls(start.date(), end.date())

    @classmethod
    def of_days(cls, first: date, last: date) -> "Window":
        """Window from `first` to `last`, both included."""
        return cls(first, last + timedelta(days=1))

    def widened(self, *, before: int = 0, after: int = 0) -> "Window":
        """Window with that many more days on either side."""
        return Window(self.start - timedelta(days=before), self.end + timedelta(days=after))

    def predicate(self, column: str, otherwise: str | None = None) -> str:
        """SQL condition that `column` lies in the window, or `otherwise` where `column` is NULL."""
        within = f"{column} >= DATE'{self.start}' AND {column} < DATE'{self.end}'"
        return within if otherwise is None else f"({within} OR {column} IS NULL AND {self.predicate(otherwise)})"

    def __iter__(self) -> Iterator[date]:
        return (self.start + timedelta(days=n) for n in range((self.end - self.start).days))

    def __len__(self) -> int:
        return (self.end - self.start).days

    def __str__(self) -> str:
        return f"{self.start}" if len(self) == 1 else f"{self.start}...{self.end - timedelta(days=1)}"
