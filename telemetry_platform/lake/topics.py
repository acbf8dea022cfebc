"""Where the topics end: the other half of a lag."""

from confluent_kafka import Consumer, KafkaException, TopicPartition

from telemetry_platform.errors import LakeError
from telemetry_platform.lake.progress import TopicOffsets
from telemetry_platform.settings import EVENTS_TOPIC, REJECTED_TOPIC

ANSWER_SECONDS = 10


KeptOffsets = dict[str, dict[int, tuple[int, int]]]


def end_offsets(bootstrap: str, topics: tuple[str, ...] = (EVENTS_TOPIC, REJECTED_TOPIC)) -> TopicOffsets:
    """End offset of every partition of `topics`; raises LakeError when the broker does not answer."""
    kept = kept_offsets(bootstrap, topics)
    return {topic: {part: end for part, (_, end) in partitions.items()} for topic, partitions in kept.items()}


def kept_offsets(bootstrap: str, topics: tuple[str, ...] = (EVENTS_TOPIC, REJECTED_TOPIC)) -> KeptOffsets:
    """Oldest offset that is still kept, and end offset, of every partition; raises LakeError without an answer."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "telemetry-offsets", "log_level": 2})
    try:
        kept: KeptOffsets = {}
        for topic in topics:
            partitions = consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic].partitions
            kept[topic] = {
                partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=ANSWER_SECONDS)
                for partition in partitions
            }
        return kept
    except KafkaException as error:
        raise LakeError(
            f"Kafka at {bootstrap} does not answer: {error}. `telemetry up` starts the local one."
        ) from error
    finally:
        consumer.close()
