from datetime import timedelta

import pytest
from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.quality.audit import AuditedRows
from telemetry_platform.transforms.silver.experiment_exposures import to_experiment_exposures
from telemetry_platform_tests.builders import DAY, at, event, rows_of, table

EXPERIMENT_EXPOSURES = TABLES["silver.experiment_exposures"]


def exposure(ts=None, **values) -> dict:
    return event("experiment_exposure", ts, **({"experiment": "shop", "variant": "b"} | values))


def test_each_exposure_is_a_row_also_of_the_same_moment(spark: SparkSession):
    rows = [exposure(), exposure(), exposure(ts=at("00:00", DAY + timedelta(days=1)), variant="a", player_id="p2")]
    rows += [exposure(is_excluded=True), event("custom", experiment="shop", variant="b")]
    found = rows_of(to_experiment_exposures(table(spark, "silver.events", rows)), "event_ts", "event_id")
    assert [(row.event_date - DAY).days for row in found] == [0, 0, 1]
    assert [(row.player_id, row.experiment, row.variant) for row in found] == [("p1", "shop", "b")] * 2 + [
        ("p2", "shop", "a")
    ]
    assert [row.event_id for row in found] == [row["event_id"] for row in rows[:3]]


@pytest.mark.parametrize(
    ("values", "broken"),
    [
        ({"variant": None}, {"variant_is_null"}),
        ({"experiment": None}, {"experiment_is_null"}),
        ({"properties": '"shop"'}, {"experiment_is_null", "variant_is_null"}),
        ({"variant": 3}, set()),
    ],
)
def test_an_exposure_that_does_not_say_to_what_costs_itself(spark: SparkSession, values: dict, broken: set[str]):
    rows = table(spark, "silver.events", [exposure(**values), exposure()])
    found = AuditedRows(to_experiment_exposures(rows), EXPERIMENT_EXPOSURES)
    assert found.accepted.count() == (1 if broken else 2)
    assert {fault.rule for fault in found.audit().set_aside} == broken
