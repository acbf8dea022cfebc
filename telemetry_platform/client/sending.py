"""Batches of events over one kept-alive connection, retried until acknowledged."""

import gzip
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec
import urllib3

from telemetry_platform.errors import BatchRefusedError, CollectorError

_encode = msgspec.json.Encoder().encode
# A slow body, the quota; and whatever says that a server, or a proxy before it, cannot answer now.
_RETRIED = frozenset({408, 429})
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class Rejected:
    """An event the collector kept as a reject; `index` is its place in the batch."""

    index: int
    error_type: str
    error_message: str


@dataclass(frozen=True)
class Answer:
    """What the collector acknowledged; accepted + len(rejected) = events sent."""

    accepted: int
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True)
class Unavailable:
    """Why an attempt failed that is worth another one, and the seconds the collector asked to wait."""

    reason: str
    retry_after_seconds: float


class TelemetryClient:
    """Sends batches with one key. Safe to share between threads.

    A batch that cannot be confirmed is sent again with the same events, so that the platform can
    recognise the copies by their `event_id`.
    """

    def __init__(
        self, url: str, key: str, *, path: str = "/v1/events", timeout_seconds: float = 30, retry_seconds: float = 60
    ) -> None:
        """Prepare a connection to `url`; nothing is opened before the first `send`."""
        self._address = url.rstrip("/") + path
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
        }
        self._retry_seconds = retry_seconds
        self._pool = urllib3.PoolManager(maxsize=8, retries=False, timeout=urllib3.Timeout(timeout_seconds))

    def send(self, events: Sequence[bytes | Mapping[str, Any]], *, sent_ts: datetime | None = None) -> Answer:
        """Send one batch and return what became of it.

        `events` that are bytes are encoded JSON objects and go out as they stand. `sent_ts` is the
        sender's clock at the first attempt; later attempts are stamped anew. Raises CollectorError when
        the collector refuses the request, or cannot take it within `retry_seconds`.
        """
        if sent_ts is not None and sent_ts.tzinfo is None:
            raise CollectorError("sent_ts has no time zone: pass an aware datetime.")
        encoded = b",".join(event if isinstance(event, bytes) else _encode(event) for event in events)
        began = time.monotonic()
        pause = _FIRST_PAUSE_SECONDS
        while True:
            elapsed = time.monotonic() - began
            outcome = self.attempt(encoded, None if sent_ts is None else sent_ts + timedelta(seconds=elapsed))
            if isinstance(outcome, Answer):
                return outcome
            wait = max(outcome.retry_after_seconds, pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            if time.monotonic() - began + wait > self._retry_seconds:
                raise CollectorError(
                    f"{self._address} did not take the batch within {self._retry_seconds:g} s ({outcome.reason}): "
                    "is the stack up? See `telemetry status`."
                )
            time.sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def attempt(self, encoded: bytes, sent_ts: datetime | None) -> Answer | Unavailable:
        """Send once: `encoded` are JSON objects with commas between them.

        Raises BatchRefusedError when another attempt would be refused too, and CollectorError when the
        address is none or its server no collector.
        """
        prefix = b'{"events":[' if sent_ts is None else b'{"sent_ts":"%b","events":[' % rfc3339(sent_ts)
        body = gzip.compress(prefix + encoded + b"]}", compresslevel=1, mtime=0)
        try:
            response = self._pool.request("POST", self._address, body=body, headers=self._headers)
        except urllib3.exceptions.LocationValueError as error:
            raise CollectorError(f"{self._address} is not an address: {error}") from error
        except urllib3.exceptions.HTTPError as error:
            return Unavailable(str(error), 0.0)
        if response.status in _RETRIED or response.status >= 500:
            return Unavailable(f"HTTP {response.status}", _seconds(response.headers.get("Retry-After")))
        if not 200 <= response.status < 300:
            reason = f"{self._address} answered {response.status}: {_reason(response.data)}"
            raise BatchRefusedError(reason, response.status)
        return _answer(response.data)


def _answer(data: bytes) -> Answer:
    try:
        return msgspec.json.decode(data, type=Answer)
    except msgspec.MsgspecError as error:
        raise CollectorError(f"The answer is not a collector's: {error}. Is another server on this port?") from error


def _reason(data: bytes) -> str:
    try:
        document = json.loads(data)
    except ValueError:
        return data[:200].decode("utf-8", "replace")
    if isinstance(document, dict) and "error_message" in document:
        return f"{document.get('error_type')}: {document['error_message']}"
    return str(document)[:200]


def _seconds(text: str | None) -> float:
    """Seconds of a Retry-After header, which is a number or a date; 0 when there is none to read."""
    if not text:
        return 0.0
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def rfc3339(moment: datetime) -> bytes:
    """Write an aware time in UTC with microseconds and `Z`."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z".encode("ascii")
