"""What is in a topic from an offset on."""

import time
import uuid
from collections.abc import Mapping
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from telemetry_platform.lake.topics import end_offsets

SILENCE_SECONDS = 20


def records_since(bootstrap: str, topic: str, start: Mapping[int, int]) -> list[Any]:
    """Every record of a topic from `start` to its end now; fewer when none comes for `SILENCE_SECONDS`."""
    ends = end_offsets(bootstrap, (topic,))[topic]
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": str(uuid.uuid4())})
    wanted = sum(ends.values()) - sum(start.values())
    found: list[Any] = []
    try:
        consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in start.items()])
        deadline = time.monotonic() + SILENCE_SECONDS
        while len(found) < wanted and time.monotonic() < deadline:
            if records := [message for message in consumer.consume(500, timeout=1) if message.error() is None]:
                found += records
                deadline = time.monotonic() + SILENCE_SECONDS
    finally:
        consumer.close()
    return found
