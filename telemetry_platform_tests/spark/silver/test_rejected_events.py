"""Every record that counts nowhere is kept once, with its reason and what was sent."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession

from telemetry_platform.lake.manifest import materialized_days
from telemetry_platform.lake.window import Window
from telemetry_platform.settings import REJECTED_TOPIC
from telemetry_platform_tests.builders import DAY, at, bronze_event
from telemetry_platform_tests.spark.any_order import RunnableLake

NEXT = DAY + timedelta(days=1)
NAMES = ("silver.events", "silver.rejected_events")


def refused(**values: object) -> dict:
    """Return a row of bronze that was refused on arrival."""
    unknown = {"event_id": None, "game_id": None, "event_ts": None, "event_date": None, "properties": None}
    found = bronze_event() | unknown | {"error_type": "undecodable", "error_message": "no JSON", "raw_value": b"\xff{"}
    return found | values


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> RunnableLake:
    return RunnableLake(tmp_path, spark, start_date=DAY - timedelta(days=60))


def rejects(lake: RunnableLake) -> list[Row]:
    return lake.layers().lake.read("silver.rejected_events").orderBy("kafka_topic", "kafka_offset").collect()


def test_each_stage_keeps_its_rejects_with_reason_and_what_was_sent(lake: RunnableLake):
    properties = '{"level": 7.0, "id": 12345678901234567890123}'
    lake.receive(
        [
            bronze_event(event_id="a", kafka_offset=1, created_ts=at("12:00"), sent_ts=at("12:00")),
            bronze_event(event_id="A", kafka_offset=2, sent_ts=at("12:00:00.000001"), properties=properties),
            bronze_event(event_id="b", kafka_offset=3, event_version=0, player_id=None),
            bronze_event(event_id="c", kafka_offset=4),
            bronze_event(event_id="c", kafka_offset=5),
            refused(kafka_offset=6),
            refused(kafka_offset=7, kafka_topic=REJECTED_TOPIC, game_id="game", error_type="too_late"),
        ]
    )
    lake.run(Window.of_days(DAY, DAY), NAMES)
    collided, broken, undecodable, late = rejects(lake)
    assert [(row.kafka_offset, row.stage, row.error_type) for row in (collided, broken, undecodable, late)] == [
        (2, "silver", "event_id_collision"),
        (3, "silver", "event_version_greater_than_or_equal_to"),
        (6, "stream", "undecodable"),
        (7, "collector", "too_late"),
    ]
    assert collided.error_message == "another event was received with this id first: telemetry.events.v1-0@1"
    assert bytes(collided.raw_value).endswith(b',"properties":' + properties.encode() + b"}")
    sent = json.loads(collided.raw_value)
    assert (sent["event_id"], sent["sent_ts"], sent["player_id"]) == ("a", "2024-03-10T12:00:00.000001Z", "p1")
    assert "player_id" not in json.loads(broken.raw_value)
    assert bytes(undecodable.raw_value) == bytes(late.raw_value) == b"\xff{"
    assert (undecodable.received_date, undecodable.event_date, collided.event_date) == (DAY, None, DAY)
    assert (undecodable.game_id, late.game_id, undecodable.replayed_ts) == (None, "game", None)


def test_a_day_replaces_what_it_owns_and_a_range_equals_its_days(lake: RunnableLake):
    late = {"received_ts": at("12:00", NEXT), "arrival": "late", "sent_ts": at("12:00")}
    lake.receive(
        [
            bronze_event(event_id="a", kafka_offset=1),
            bronze_event(event_id="a", kafka_offset=2, level=1, **late),
            bronze_event(event_id="b", ts=at("01:00", NEXT), kafka_offset=3),
            bronze_event(event_id="b", ts=at("02:00", NEXT), kafka_offset=4, level=1),
            refused(kafka_offset=5),
            refused(kafka_offset=6, received_ts=at("12:00", NEXT), received_date=NEXT),
        ]
    )
    both = Window.of_days(DAY, NEXT)
    lake.run(both, NAMES)
    at_once = rejects(lake)
    assert [row.kafka_offset for row in at_once] == [2, 4, 5, 6]
    for day in both:
        lake.run(Window.of_days(day, day), NAMES)
        assert rejects(lake) == at_once
    recorded = materialized_days(str(lake.root), "silver.rejected_events")
    assert {day: (entry.state, entry.rows) for day, entry in recorded.items()} == {DAY: ("done", 2), NEXT: ("done", 2)}


def test_a_record_that_bronze_holds_twice_is_one_reject(lake: RunnableLake):
    twice = bronze_event(event_id="a", kafka_offset=1)
    lake.receive([twice, twice, bronze_event(event_id="b", kafka_offset=2)])
    lake.run(Window.of_days(DAY, DAY), NAMES)
    assert [(row.kafka_offset, row.error_type) for row in rejects(lake)] == [(1, "shares_key")]
