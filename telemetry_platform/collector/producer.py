"""Kafka with an answer: a request is done when every one of its records is acknowledged."""

import asyncio
import logging

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from telemetry_platform.collector.clock import rfc3339
from telemetry_platform.collector.deciding import Reject, Rules
from telemetry_platform.collector.decoding import Decoded
from telemetry_platform.collector.error_types import RequestError
from telemetry_platform.collector.limits import RefusedRequest
from telemetry_platform.contracts.signature import SIGNATURE_HEADER, Signer
from telemetry_platform.settings import EVENTS_TOPIC, REJECTED_TOPIC

log = logging.getLogger(__name__)

DELIVERY_SECONDS = 8
RETRY_AFTER_SECONDS = 2
TICK_SECONDS = 0.001
QUEUE_MESSAGES = 200_000
QUEUE_KILOBYTES = 256 * 1024


class _Pending:
    """Counts down a request's records; the last acknowledgement, or the first failure, answers it."""

    def __init__(self, count: int, future: "asyncio.Future[str | None]") -> None:
        self.future = future
        self._left = count
        self._failure: str | None = None

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        """Take one record's delivery report."""
        self._left -= 1
        if error is not None:
            self._failure = str(error)
        if self._left == 0 and not self.future.done():
            self.future.set_result(self._failure)


class _LoopProducer:
    """One librdkafka producer whose reports are collected by the event loop itself.

    A thread of its own would fight the loop for the interpreter once per record: librdkafka's binding takes
    it anew for every report. Between two looks at the queue the loop does other work; nothing waits.
    """

    def __init__(self, bootstrap: str) -> None:
        self.has_failed = False
        self._is_ticking = False
        self.kafka = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 5,
                "compression.type": "lz4",
                "delivery.timeout.ms": DELIVERY_SECONDS * 1000,
                "queue.buffering.max.messages": QUEUE_MESSAGES,
                "queue.buffering.max.kbytes": QUEUE_KILOBYTES,
                "log_level": 3,
                "error_cb": self._on_error,
            }
        )

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            log.error("event=producer_failed reason=%s", error)
            self.has_failed = True

    def collect_reports(self) -> None:
        """Look at the queue of reports until every record has one."""
        if not self._is_ticking:
            self._is_ticking = True
            self._tick()

    def _tick(self) -> None:
        self.kafka.poll(0)
        if len(self.kafka) > 0:
            asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)
        else:
            self._is_ticking = False

    def close(self) -> None:
        """Wait for what is queued; blocks, and must be called when the loop no longer collects."""
        left = self.kafka.flush(DELIVERY_SECONDS + 2)
        log.info("event=producer_closed unacknowledged=%d", left)


class EventProducer:
    """An idempotent producer, replaced by a new one when the broker has made it unusable.

    A fatal error (a producer id the broker no longer knows, a sequence it did not expect) ends a producer
    for good: without a successor every later request would be refused until somebody restarts the process.
    """

    def __init__(self, bootstrap: str, signer: Signer) -> None:
        self._bootstrap = bootstrap
        self._sign = signer.sign
        self._current = _LoopProducer(bootstrap)

    async def send(self, decoded: Decoded, rules: Rules) -> None:
        """Produce all of a request and wait for Kafka; raises RefusedRequest 503 when it cannot take it."""
        if decoded.count == 0:
            return
        pending = _Pending(decoded.count, asyncio.get_running_loop().create_future())
        try:
            self._produce(decoded, rules, pending)
        except (BufferError, KafkaException) as error:
            raise _unavailable(f"the producer does not take the record: {error}") from error
        finally:
            # Also when only some were taken: their reports have to make room in the queue again.
            self._current.collect_reports()
        try:
            failure = await asyncio.wait_for(pending.future, DELIVERY_SECONDS + 2)
        except TimeoutError:
            failure = "no acknowledgement in time"
        if failure is not None:
            raise _unavailable(failure)

    def _produce(self, decoded: Decoded, rules: Rules, pending: _Pending) -> None:
        if self._current.has_failed:
            self._replace()
        produce, delivered, sign = self._current.kafka.produce, pending.delivered, self._sign
        for key, value in decoded.records:
            # The signature is what tells the streaming job that this value was validated here.
            produce(EVENTS_TOPIC, value, key, headers=[(SIGNATURE_HEADER, sign(value))], on_delivery=delivered)
        for reject in decoded.rejects:
            produce(
                REJECTED_TOPIC, reject.raw, rules.game_id, headers=reject_headers(reject, rules), on_delivery=delivered
            )

    def _replace(self) -> None:
        # What the failed one still holds fails by its own reports, which the loop goes on collecting.
        self._current = _LoopProducer(self._bootstrap)
        log.warning("event=producer_replaced")

    def is_ready(self) -> bool:
        """Whether the broker answers a metadata request within two seconds; blocks."""
        try:
            self._current.kafka.list_topics(EVENTS_TOPIC, timeout=2)
        except KafkaException:
            return False
        return True

    @property
    def queued(self) -> int:
        """Records handed over and not yet acknowledged."""
        return len(self._current.kafka)

    def close(self) -> None:
        """Wait for what is queued; blocks."""
        self._current.close()


def reject_headers(reject: Reject, rules: Rules) -> list[tuple[str, str | bytes | None]]:
    """Return what a reject's record says of it besides the original bytes."""
    values = {
        "game_id": rules.game_id,
        "received_ts": rfc3339(rules.received),
        "error_type": str(reject.error_type),
        "error_message": reject.error_message,
        "source": rules.source,
        "event_id": reject.event_id,
        "event_name": reject.event_name,
    }
    return [(name, value.encode("utf-8", "replace")) for name, value in values.items() if value is not None]


def _unavailable(reason: str) -> RefusedRequest:
    log.warning("event=kafka_unavailable reason=%s", reason)
    return RefusedRequest(
        503,
        RequestError.UNAVAILABLE,
        "Kafka did not acknowledge the events: send the same request again.",
        retry_after=RETRY_AFTER_SECONDS,
    )
