"""What a lease is, wherever it is kept."""

import json
import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class Owner:
    """Who holds a lease: for the messages of those who wait, and the epoch that orders owners."""

    pid: int
    host: str
    what: str
    since: str
    epoch: int

    @classmethod
    def of_this_process(cls, what: str, epoch: int) -> "Owner":
        """Describe this process, now."""
        return cls(os.getpid(), socket.gethostname(), what, datetime.now(UTC).isoformat(timespec="seconds"), epoch)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Owner | None":
        """Read an owner's record; None when it is no record or names nobody."""
        try:
            record: Any = json.loads(text)
            return cls(**{name: record[name] for name in cls.__dataclass_fields__})
        except (ValueError, TypeError, KeyError):
            return None

    def to_json(self, **more: Any) -> bytes:
        """Record of this owner, with `more` beside it."""
        return json.dumps(asdict(self) | more).encode()

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}, since {self.since}: {self.what}"


class Lease(Protocol):
    """The right of this process to write to one table."""

    @property
    def owner(self) -> Owner:
        """This process, as others see it."""
        ...

    def check(self) -> None:
        """Raise LeaseLost when somebody else may be writing by now: call it before a commit."""
        ...

    def release(self) -> None:
        """Let the next one write."""
        ...

    def abandon(self) -> None:
        """Forget the lease in a forked child: it is the parent's."""
        ...


class LeaseStore(Protocol):
    """Where the lease of one table is kept."""

    poll_seconds: float

    def take(self, what: str) -> "Lease | Owner | None":
        """Take the lease without waiting; else its owner, or None while that one has not written its name."""
        ...
