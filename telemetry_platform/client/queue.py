"""Events one by one, sent in batches from threads of their own; with a spool they outlive the process."""

import atexit
import logging
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from telemetry_platform.client.delivery import Delivery, RejectedEvent
from telemetry_platform.client.sending import TelemetryClient, rfc3339
from telemetry_platform.client.spool import Spool
from telemetry_platform.client.tally import QueueCounts, Tally
from telemetry_platform.errors import CollectorError

log = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode
# After `close` has waited for the events: for an attempt that is under way. Its batch stays in the spool.
_LAST_ATTEMPT_SECONDS = 1.0


@dataclass(frozen=True)
class QueueOptions:
    """Bounds of a queue, in events, bytes and seconds.

    A batch is closed when it has `batch_events` or `batch_bytes`, or when its first event is
    `flush_interval_seconds` old. `memory_bytes` bounds the events that are in no file, `disk_bytes` the
    spool's waiting segments and, apart from them, the refused ones. The pause between attempts doubles from
    the first to the longest, cut by a random part of up to a half; the collector's Retry-After is its least.
    """

    batch_events: int = 500
    batch_bytes: int = 512 * 1024
    event_bytes: int = 32 * 1024
    flush_interval_seconds: float = 1.0
    memory_bytes: int = 32 * 1024**2
    disk_bytes: int = 256 * 1024**2
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 30.0
    attempt_seconds: float = 30.0


class EventQueue:
    """Takes events with `track` and delivers each at least once, always under the same `event_id`.

    With `spool`, a folder of this process's own, an event is durable once it is `flush_interval_seconds`
    old, or once a `flush` or `close` that followed it has returned: kill -9 loses what is younger, and the
    next queue on the folder sends the rest. Without it, what is not acknowledged is lost with the process.
    `defaults` are envelope keys every event gets (platform, build_version, environment, country).
    `on_rejected` is called in the queue's thread. Make a queue after a fork: threads do not survive one.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        spool: Path | str | None = None,
        defaults: Mapping[str, Any] | None = None,
        options: QueueOptions | None = None,
        on_rejected: Callable[[RejectedEvent], None] | None = None,
    ) -> None:
        """Start the threads; raises CollectorError for an address that is none, or a spool that is in use."""
        _check_address(url)
        self._options = options or QueueOptions()
        self._defaults = dict(defaults or {})
        folder = Path(spool) if spool is not None else None
        self._spool = Spool(folder, disk_bytes=self._options.disk_bytes, memory_bytes=self._options.memory_bytes)
        self._tally = Tally(found=len(self._spool))
        self._process = os.getpid()
        self._buffer: deque[bytes] = deque()
        self._buffer_bytes = 0
        self._buffer_since = 0.0
        self._is_closed = False
        self._sealing = threading.Thread(target=self._seal, name="telemetry-sealing", daemon=True)
        self._delivery = Delivery(
            TelemetryClient(url, key, timeout_seconds=self._options.attempt_seconds),
            self._spool,
            self._tally,
            pauses_seconds=(self._options.first_pause_seconds, self._options.longest_pause_seconds),
            on_rejected=on_rejected,
        )
        self._sealing.start()
        self._delivery.thread.start()
        atexit.register(self.close)

    @property
    def counts(self) -> QueueCounts:
        """What became of the events so far."""
        return self._tally.counts()

    def track(
        self,
        event_name: str,
        *,
        player_id: str | None = None,
        device_id: str | None = None,
        properties: Mapping[str, Any] | None = None,
        event_version: int = 1,
        created_ts: datetime | None = None,
        event_id: str | None = None,
        **envelope: Any,
    ) -> str:
        """Queue an event and return its `event_id`; waits neither for the network nor for the disk.

        `envelope` are further keys of the envelope (session_id, platform, ...). Raises CollectorError for an
        event that no collector would take: nobody's, with a time without zone, too large, or no JSON.
        """
        if player_id is None and device_id is None:
            raise CollectorError(f"{event_name} belongs to nobody: give player_id or device_id.")
        created = created_ts or datetime.now(UTC)
        if created.tzinfo is None:
            raise CollectorError("created_ts has no time zone: pass an aware datetime.")
        event = {
            "event_id": event_id or str(uuid.uuid4()),
            "event_name": event_name,
            "event_version": event_version,
            "created_ts": rfc3339(created).decode(),
            "player_id": player_id,
            "device_id": device_id,
            **self._defaults,
            **envelope,
            "properties": properties,
        }
        self._put(self._encoded({name: value for name, value in event.items() if value is not None}))
        return event["event_id"]

    def flush(self, timeout: float = 10.0) -> bool:
        """Put what was tracked so far into the spool and wait for its fate; False when it is still open.

        It does not wait out a pause between attempts, but does a Retry-After. The disk is waited for whatever
        the `timeout` in seconds: 0 only makes the events durable.
        """
        deadline = time.monotonic() + timeout
        tally = self._tally
        with tally.changed:
            tracked, goal = tally.tracked, tally.found + tally.tracked
            tally.flushes += 1
            tally.flushed = max(tally.flushed, tracked)
            tally.changed.notify_all()
        tally.wait(lambda: tally.sealed >= tracked, None)
        return tally.wait(lambda: tally.counts().settled >= goal, max(0.0, deadline - time.monotonic()))

    def resend_refused(self) -> int:
        """Queue again what was refused, for after the key or the address is right; returns its events."""
        found = self._spool.take_back_refused()
        with self._tally.changed:
            self._tally.found += found
            self._tally.changed.notify_all()
        return found

    def close(self, timeout: float = 5.0) -> QueueCounts:
        """Take no more events, deliver for up to `timeout` seconds, and end; what waits stays in the spool.

        Runs by itself when the interpreter exits; a SIGTERM without a handler ends the process before that.
        """
        if os.getpid() != self._process:
            return self.counts
        with self._tally.changed:
            was_closed, self._is_closed = self._is_closed, True
        if not was_closed:
            atexit.unregister(self.close)
            self.flush(timeout)
            self._tally.end()
            self._sealing.join()
            self._delivery.thread.join(_LAST_ATTEMPT_SECONDS)
            if lost := self._spool.count_in_memory:
                log.error("event=queue_closed lost=%d", lost)
            self._spool.close()
        return self.counts

    def __enter__(self) -> "EventQueue":
        """Return the queue; leaving the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the queue."""
        self.close()

    def _encoded(self, event: Mapping[str, Any]) -> bytes:
        try:
            encoded = _encode(event)
        except (TypeError, ValueError, RecursionError) as error:
            raise CollectorError(f"{event['event_name']} cannot be written as JSON: {error}") from error
        if len(encoded) > self._options.event_bytes:
            raise CollectorError(
                f"{event['event_name']} has {len(encoded)} bytes: {self._options.event_bytes} are taken."
            )
        return encoded

    def _put(self, event: bytes) -> None:
        with self._tally.changed:
            if self._is_closed or os.getpid() != self._process:
                raise CollectorError("The queue is closed, or was made before a fork: make one in this process.")
            if not self._buffer:
                self._buffer_since = time.monotonic()
            self._buffer.append(event)
            self._buffer_bytes += len(event)
            self._tally.tracked += 1
            while self._buffer and self._buffer_bytes + self._spool.size_in_memory > self._options.memory_bytes:
                self._drop_oldest()
            if len(self._buffer) == 1 or self._is_batch():
                self._tally.changed.notify_all()

    def _drop_oldest(self) -> None:
        dropped = self._spool.drop_oldest_in_memory()
        if dropped == 0:
            self._buffer_bytes -= len(self._buffer.popleft())
            self._tally.sealed += 1
            dropped = 1
        self._count_dropped(dropped)

    def _count_dropped(self, dropped: int) -> None:
        if dropped:
            log.error("event=queue_full dropped=%d", dropped)
            self._tally.settle(dropped=dropped)

    def _is_batch(self) -> bool:
        return len(self._buffer) >= self._options.batch_events or self._buffer_bytes >= self._options.batch_bytes

    def _seal(self) -> None:
        """Move what is tracked into the spool, a batch at a time, until the queue ends and nothing is left."""
        tally = self._tally
        while tally.wait(lambda: bool(self._buffer), None):
            age = time.monotonic() - self._buffer_since
            tally.wait(
                lambda: self._is_batch() or tally.sealed < tally.flushed,
                max(0.0, self._options.flush_interval_seconds - age),
            )
            if batch := self._take_batch():
                self._count_dropped(self._spool.add(batch))
                with tally.changed:
                    tally.sealed += len(batch)
                    tally.changed.notify_all()

    def _take_batch(self) -> list[bytes]:
        batch: list[bytes] = []
        size = 0
        with self._tally.changed:
            while self._buffer and len(batch) < self._options.batch_events and size < self._options.batch_bytes:
                batch.append(self._buffer.popleft())
                size += len(batch[-1])
            self._buffer_bytes -= size
        return batch


def _check_address(url: str) -> None:
    try:
        address = parse_url(url)
    except LocationParseError:
        address = None
    if address is None or address.scheme not in {"http", "https"} or not address.host:
        raise CollectorError(f"{url!r} is no address of a collector: write http(s)://host[:port].")
