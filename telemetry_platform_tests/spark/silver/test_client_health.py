from datetime import timedelta

import pytest
from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.quality.audit import AuditedRows
from telemetry_platform.transforms.silver.client_health import PROPERTIES, to_client_health
from telemetry_platform_tests.builders import DAY, at, event, rows_of, table

CLIENT_HEALTH = TABLES["silver.client_health"]
SENT = {
    "client_error": {"kind": "crash", "is_fatal": True, "message": "out of memory"},
    "login_failed": {"reason": "banned"},
    "performance": {"fps_avg": 58.5, "fps_p5": 40, "memory_mb": 812.25, "ping_ms": 31, "load_seconds": 2.5},
    "matchmaking": {"queue": "ranked", "seconds": 12, "outcome": "matched"},
    "purchase_failed": {"product_id": "gems", "reason": "declined", "stage": "store"},
}


def health(spark: SparkSession, rows: list[dict]) -> list:
    return rows_of(to_client_health(table(spark, "silver.events", rows)), "event_ts", "event_name", "event_id")


@pytest.mark.parametrize("event_name", sorted(SENT))
def test_a_row_holds_what_its_event_says_and_nothing_that_another_event_would(spark: SparkSession, event_name: str):
    every_property = {name: value for sent in SENT.values() for name, value in sent.items()}
    (row,) = health(spark, [event(event_name, **(every_property | SENT[event_name]))])
    measured = {name for names in PROPERTIES.values() for name in names}
    assert {name: row[name] for name in measured if row[name] is not None} == SENT[event_name]
    assert (row.event_name, row.platform, row.build_version, row.country) == (event_name, "ios", "1.0", "DE")


def test_other_events_and_excluded_ones_are_no_rows(spark: SparkSession):
    assert health(spark, [event(), event("performance", fps_avg=60, is_excluded=True)]) == []


def test_events_around_midnight_and_of_one_moment_keep_their_day_and_stay_apart(spark: SparkSession):
    late, early = at("23:59:59.999999"), at("00:00", DAY + timedelta(days=1))
    found = health(spark, [event("login_failed", ts, reason="x") for ts in (late, early, early)])
    assert [(row.event_date - DAY).days for row in found] == [0, 1, 1]


@pytest.mark.parametrize(
    ("written", "read"), [("60", 60.0), ("1e999", None), ("-1e-3", -0.001), ('"NaN"', None), ('"60"', None)]
)
def test_a_number_that_is_none_is_null_and_the_row_stands(spark: SparkSession, written: str, read: float | None):
    (row,) = health(spark, [event("performance", properties=f'{{"ping_ms": {written}, "fps_avg": 30}}')])
    assert (row.ping_ms, row.fps_avg) == (read, 30.0)


@pytest.mark.parametrize("name", ["fps_avg", "fps_p5", "memory_mb", "ping_ms", "load_seconds"])
def test_a_negative_measurement_costs_its_row(spark: SparkSession, name: str):
    rows = [event("performance", **({"fps_avg": 30} | {name: value})) for value in (-0.5, 0)]
    found = AuditedRows(to_client_health(table(spark, "silver.events", rows)), CLIENT_HEALTH)
    assert found.accepted.count() == 1
    assert [fault.rule for fault in found.audit().set_aside] == [f"{name}_greater_than_or_equal_to"]
