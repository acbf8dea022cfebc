"""What the table holds of each topic partition."""

from pyspark.sql import SparkSession

from streaming.rewind import Held, held_in


def test_the_first_gap_is_looked_for_as_far_back_as_one_batch_may_reach(spark: SparkSession):
    offsets = {
        ("events", 0): [0, 1, 2, 3],
        ("events", 1): [5, 6, 8, 9, 11],
        ("events", 2): [0, 5, 6, 7, 8, 9],
        ("rejected", 0): [4],
    }
    rows = [(topic, part, offset) for (topic, part), held in offsets.items() for offset in reversed(held)]
    frame = spark.createDataFrame(rows, "kafka_topic string, kafka_partition int, kafka_offset long")
    assert held_in(frame, 5) == {
        ("events", 0): Held(4, 4, 0),
        ("events", 1): Held(12, 7),
        ("events", 2): Held(10, 10),
        ("rejected", 0): Held(5, 5, 4),
    }
    assert held_in(frame, 2)["events", 1] == Held(12, 10)
    assert held_in(frame, 100)["events", 2] == Held(10, 1, 0)
    assert held_in(frame.limit(0), 5) == {}
