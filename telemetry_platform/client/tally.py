"""What became of a queue's events, and the condition its threads wait on."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Fate = Literal["accepted", "rejected", "refused", "dropped"]


@dataclass(frozen=True)
class QueueCounts:
    """Counts of events; found + tracked = accepted + rejected + refused + dropped + waiting.

    `found`: were in the spool at the start, or put back in the queue after a refusal. `rejected`: kept by
    the collector as broken. `refused`: in a batch it will not take. `dropped`: let go because the queue was
    full, or because its file was gone.
    """

    found: int = 0
    tracked: int = 0
    accepted: int = 0
    rejected: int = 0
    refused: int = 0
    dropped: int = 0

    @property
    def settled(self) -> int:
        """Events whose fate is known."""
        return self.accepted + self.rejected + self.refused + self.dropped

    @property
    def waiting(self) -> int:
        """Events whose fate is not known yet."""
        return self.found + self.tracked - self.settled


class Tally:
    """Counts that several threads add to; every change of a fate wakes who waits.

    `sealed` of the `tracked` events have left the buffer, `flushed` are asked to; `flushes` counts the asking.
    """

    def __init__(self, found: int) -> None:
        self.changed = threading.Condition()
        self.found = found
        self.tracked = 0
        self.sealed = 0
        self.flushed = 0
        self.flushes = 0
        self.is_ending = False
        self._fates: Counter[Fate] = Counter()

    def settle(self, **fates: int) -> None:
        """Add events to their fates."""
        with self.changed:
            self._fates.update(fates)  # type: ignore[arg-type]
            self.changed.notify_all()

    def counts(self) -> QueueCounts:
        """Return the counts as they are now."""
        with self.changed:
            return QueueCounts(self.found, self.tracked, **self._fates)

    def end(self) -> None:
        """Ask the threads to end."""
        with self.changed:
            self.is_ending = True
            self.changed.notify_all()

    def wait(self, condition: Callable[[], bool], seconds: float | None) -> bool:
        """Wait until `condition` holds or the threads are to end; returns whether it holds."""
        with self.changed:
            self.changed.wait_for(lambda: condition() or self.is_ending, seconds)
            return condition()
