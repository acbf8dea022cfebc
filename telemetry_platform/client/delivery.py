"""The thread that sends what waits in a spool, one batch after the other, until each has its fate."""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from telemetry_platform.client.sending import Answer, TelemetryClient, Unavailable
from telemetry_platform.client.spool import Segment, Spool
from telemetry_platform.client.tally import Tally
from telemetry_platform.errors import BatchRefusedError, CollectorError

log = logging.getLogger(__name__)

_TOO_LARGE = 413
# What a server asks for is honoured, but a broken one must not silence a client for ever.
_LONGEST_RETRY_AFTER_SECONDS = 3600.0


@dataclass(frozen=True)
class RejectedEvent:
    """An event the collector kept as a reject: what was sent, and what is wrong with it."""

    event: bytes
    error_type: str
    error_message: str


class Delivery:
    """Sends a spool's segments in order; a batch that cannot be confirmed is sent again as it is."""

    def __init__(
        self,
        client: TelemetryClient,
        spool: Spool,
        tally: Tally,
        *,
        pauses_seconds: tuple[float, float],
        on_rejected: Callable[[RejectedEvent], None] | None,
    ) -> None:
        self._client = client
        self._spool = spool
        self._tally = tally
        self._first_pause, self._longest_pause = pauses_seconds
        self._on_rejected = on_rejected
        self._is_away = False
        self.thread = threading.Thread(target=self._run, name="telemetry-delivery", daemon=True)

    def _run(self) -> None:
        pause = self._first_pause
        while not self._tally.is_ending:
            segment = self._spool.oldest()
            if segment is None:
                self._tally.wait(lambda: len(self._spool) > 0, None)
                continue
            outcome = self._deliver(segment)
            if outcome is None:
                pause = self._first_pause
                self._report_back()
            else:
                self._report_away(outcome.reason)
                was_cut = self._wait(outcome.retry_after_seconds, pause)
                pause = self._first_pause if was_cut else min(pause * 2, self._longest_pause)

    def _wait(self, retry_after: float, pause: float) -> bool:
        """Wait before the next attempt; a flush cuts it, but not what the collector asked for."""
        flushes = self._tally.flushes
        retry_after = min(retry_after, _LONGEST_RETRY_AFTER_SECONDS)
        began = time.monotonic()
        self._tally.wait(lambda: False, retry_after)
        jittered = pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        left = max(0.0, began + jittered - time.monotonic())
        return self._tally.wait(lambda: self._tally.flushes != flushes, left)

    def _deliver(self, segment: Segment) -> Unavailable | None:
        """Send a segment; None when its fate is known, else why it is not."""
        try:
            events = segment.read()
        except FileNotFoundError:
            log.error("event=segment_gone events=%d", segment.count)
            self._spool.remove(segment)
            self._tally.settle(dropped=segment.count)
            return None
        except OSError as error:
            return Unavailable(f"the spool cannot be read: {error}", 0.0)
        try:
            outcome = self._client.attempt(b",".join(events), datetime.now(UTC))
        except BatchRefusedError as error:
            self._refuse(segment, events, error)
            return None
        except CollectorError as error:
            return Unavailable(str(error), 0.0)
        if isinstance(outcome, Unavailable):
            return outcome
        places = {rejected.index for rejected in outcome.rejected}
        if outcome.accepted + len(places) != len(events) or not places <= set(range(len(events))):
            return Unavailable(f"the answer does not count {len(events)} events: is this a collector?", 0.0)
        self._settle(segment, events, outcome)
        return None

    def _settle(self, segment: Segment, events: Sequence[bytes], answer: Answer) -> None:
        self._spool.remove(segment)
        for rejected in answer.rejected:
            self._report_rejected(RejectedEvent(events[rejected.index], rejected.error_type, rejected.error_message))
        self._tally.settle(accepted=answer.accepted, rejected=len(answer.rejected))

    def _refuse(self, segment: Segment, events: Sequence[bytes], error: BatchRefusedError) -> None:
        if error.status == _TOO_LARGE and len(events) > 1:
            self._spool.split(segment)
            return
        log.error("event=batch_refused events=%d status=%d reason=%s", len(events), error.status, error)
        lost = self._spool.refuse(segment, status=error.status, reason=str(error))
        if lost:
            log.error("event=refused_events_lost events=%d", lost)
        self._tally.settle(refused=len(events))

    def _report_rejected(self, rejected: RejectedEvent) -> None:
        log.warning("event=event_rejected event_id=%s error_type=%s", _id_of(rejected.event), rejected.error_type)
        if self._on_rejected is not None:
            try:
                self._on_rejected(rejected)
            except Exception:  # the caller's code: it must not end the delivery of everything else
                log.exception("event=on_rejected_failed")

    def _report_away(self, reason: str) -> None:
        if not self._is_away:
            log.warning("event=collector_away reason=%s", reason)
        self._is_away = True

    def _report_back(self) -> None:
        if self._is_away:
            log.info("event=collector_back waiting=%d", len(self._spool))
        self._is_away = False


def _id_of(event: bytes) -> object:
    try:
        return msgspec.json.decode(event, type=dict[str, object]).get("event_id")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
