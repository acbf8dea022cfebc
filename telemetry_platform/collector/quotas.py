"""What a game may send per second, so that one noisy game cannot slow another."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from telemetry_platform.games.game import Quota


@dataclass
class _Bucket:
    """What is left of one rate; below zero after a request that was larger than what was left."""

    left: float
    filled_at: float


class GameQuota:
    """Token buckets for one game's events and bytes.

    A request is let in while both buckets hold something, and pays afterwards what it really cost: its size is
    known only when it has been read. A bucket may so fall below zero, and the game waits until it is filled
    again. The quota is this collector's own; of n collectors a game can send n times as much.
    """

    def __init__(self, quota: Quota, clock: Callable[[], float] = time.monotonic) -> None:
        self.quota = quota
        self._clock = clock
        now = clock()
        self._rates = {"events": float(quota.events_per_second), "bytes": float(quota.bytes_per_second)}
        self._buckets = {name: _Bucket(rate * quota.burst_seconds, now) for name, rate in self._rates.items()}

    def wait_seconds(self) -> int:
        """Whole seconds until a request is let in; 0 when it is now."""
        return max(self._wait(name) for name in self._buckets)

    def charge(self, *, events: int = 0, size: int = 0) -> None:
        """Take what a request cost, `size` in bytes as decompressed."""
        self._buckets["events"].left -= events
        self._buckets["bytes"].left -= size

    def _wait(self, name: str) -> int:
        bucket, rate, now = self._buckets[name], self._rates[name], self._clock()
        bucket.left = min(bucket.left + (now - bucket.filled_at) * rate, rate * self.quota.burst_seconds)
        bucket.filled_at = now
        return 0 if bucket.left > 0 else max(1, math.ceil(-bucket.left / rate))
