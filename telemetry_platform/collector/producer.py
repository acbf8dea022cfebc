"""Kafka with an answer: a request is done when every one of its records is acknowledged."""

import asyncio
import logging
import threading

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from telemetry_platform.collector.clock import rfc3339
from telemetry_platform.collector.decoding import Decoded, Reject, Rules
from telemetry_platform.collector.error_types import RequestError
from telemetry_platform.collector.limits import RefusedRequest
from telemetry_platform.settings import EVENTS_TOPIC, REJECTED_TOPIC

log = logging.getLogger(__name__)

DELIVERY_SECONDS = 8
RETRY_AFTER_SECONDS = 2
QUEUE_MESSAGES = 200_000
QUEUE_KILOBYTES = 256 * 1024


class _Pending:
    """Counts down a request's records; the last acknowledgement, or the first failure, answers it."""

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[str | None] = loop.create_future()
        self._loop = loop
        self._left = count
        self._failure: str | None = None

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        """Take one record's delivery report; called in the polling thread only."""
        self._left -= 1
        if error is not None:
            self._failure = str(error)
        if self._left == 0:
            self._loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        if not self.future.done():
            self.future.set_result(self._failure)


class EventProducer:
    """An idempotent producer, its reports collected by a thread of its own."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer(
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
            }
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka-reports", daemon=True)
        self._thread.start()

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(0.1)

    async def send(self, decoded: Decoded, rules: Rules) -> None:
        """Produce all of a request and wait for Kafka; raises RefusedRequest 503 when it cannot take it."""
        count = len(decoded.records) + len(decoded.rejects)
        if count == 0:
            return
        pending = _Pending(count, asyncio.get_running_loop())
        try:
            for key, value in decoded.records:
                self._producer.produce(EVENTS_TOPIC, value, key, on_delivery=pending.delivered)
            for reject in decoded.rejects:
                headers = _headers(reject, rules)
                self._producer.produce(
                    REJECTED_TOPIC, reject.raw, rules.game_id, headers=headers, on_delivery=pending.delivered
                )
        except (BufferError, KafkaException) as error:
            raise _unavailable(f"the producer does not take the record: {error}") from error
        try:
            failure = await asyncio.wait_for(pending.future, DELIVERY_SECONDS + 2)
        except TimeoutError:
            failure = "no acknowledgement in time"
        if failure is not None:
            raise _unavailable(failure)

    def is_ready(self) -> bool:
        """Whether the broker answers a metadata request within two seconds; blocks."""
        try:
            self._producer.list_topics(EVENTS_TOPIC, timeout=2)
        except KafkaException:
            return False
        return True

    @property
    def queued(self) -> int:
        """Records handed over and not yet acknowledged."""
        return len(self._producer)

    def close(self) -> None:
        """End the thread, then wait for what is queued; reports are never taken by two threads at once."""
        self._stopping.set()
        self._thread.join()
        left = self._producer.flush(DELIVERY_SECONDS + 2)
        log.info("event=producer_closed unacknowledged=%d", left)


def _headers(reject: Reject, rules: Rules) -> list[tuple[str, str | bytes | None]]:
    values = {
        "game_id": rules.game_id,
        "received_ts": rfc3339(rules.received),
        "error_type": str(reject.error_type),
        "error_message": reject.error_message,
        "source": rules.source,
        "event_id": reject.event_id,
        "event_name": reject.event_name,
    }
    return [(name, value.encode()) for name, value in values.items() if value is not None]


def _unavailable(reason: str) -> RefusedRequest:
    log.warning("event=kafka_unavailable reason=%s", reason)
    return RefusedRequest(
        503,
        RequestError.UNAVAILABLE,
        "Kafka did not acknowledge the events: send the same request again.",
        retry_after=RETRY_AFTER_SECONDS,
    )
