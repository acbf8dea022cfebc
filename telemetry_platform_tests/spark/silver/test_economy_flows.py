import pytest
from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.quality.audit import AuditedRows
from telemetry_platform.transforms.silver.economy_flows import to_economy_flows
from telemetry_platform_tests.builders import at, event, rows_of, table

ECONOMY_FLOWS = TABLES["silver.economy_flows"]


def flow(event_name: str = "economy_source", ts=None, **values) -> dict:
    return event(event_name, ts, **({"soft_currency": "gems", "amount": 5, "reason": "quest"} | values))


def flows(spark: SparkSession, rows: list[dict]) -> list:
    return rows_of(to_economy_flows(table(spark, "silver.events", rows)), "event_ts", "event_id")


def test_a_source_and_a_sink_are_a_row_each(spark: SparkSession):
    rows = [flow(balance=15), flow("economy_sink", at("12:01"), amount=7, reason="boost", soft_currency="gold")]
    got, spent = flows(spark, rows)
    assert (got.flow, got.soft_currency, got.amount, got.reason, got.balance) == ("source", "gems", 5, "quest", 15)
    assert (spent.flow, spent.soft_currency, spent.amount, spent.reason) == ("sink", "gold", 7, "boost")
    assert spent.balance is None
    assert (got.player_id, got.event_id) == ("p1", rows[0]["event_id"])


def test_other_events_and_excluded_ones_are_no_flows(spark: SparkSession):
    assert flows(spark, [event("purchase"), flow(is_excluded=True), event("custom", name="economy_source")]) == []


def test_what_a_server_sends_flows_too(spark: SparkSession):
    assert len(flows(spark, [flow(platform="server")])) == 1


def test_flows_before_and_after_midnight_are_on_their_own_days(spark: SparkSession):
    rows = [flow(ts=at("23:59:59.999999")), flow(ts=at("00:00", at("12:00").date().replace(day=11)))]
    assert [row.event_date.day for row in flows(spark, rows)] == [10, 11]


def test_flows_of_one_moment_and_the_same_content_stay_apart_by_their_event(spark: SparkSession):
    assert len({row.event_id for row in flows(spark, [flow(), flow()])}) == 2


@pytest.mark.parametrize(
    ("values", "broken"),
    [
        ({"amount": -1}, {"amount_greater_than_or_equal_to"}),
        ({"amount": 1.5}, {"amount_is_null"}),
        ({"amount": "5"}, {"amount_is_null"}),
        ({"amount": 2**63}, {"amount_is_null"}),
        ({"amount": None}, {"amount_is_null"}),
        ({"amount": {"of": 5}}, {"amount_is_null"}),
        ({"soft_currency": None}, {"soft_currency_is_null"}),
        ({"reason": None}, {"reason_is_null"}),
        ({"properties": "[1, 2]"}, {"amount_is_null", "soft_currency_is_null", "reason_is_null"}),
        ({"properties": "{"}, {"amount_is_null", "soft_currency_is_null", "reason_is_null"}),
        ({"amount": 2**63 - 1}, set()),
        ({"balance": -5}, set()),
        ({"balance": 2**70}, set()),
    ],
)
def test_a_flow_that_its_contract_does_not_take_costs_itself(spark: SparkSession, values: dict, broken: set[str]):
    found = AuditedRows(to_economy_flows(table(spark, "silver.events", [flow(**values), flow()])), ECONOMY_FLOWS)
    assert found.accepted.count() == (1 if broken else 2)
    assert {fault.rule for fault in found.audit().set_aside} == broken


def test_a_row_that_comes_twice_is_set_aside(spark: SparkSession):
    rows = [flow(event_id="same"), flow(event_id="same"), flow()]
    found = AuditedRows(to_economy_flows(table(spark, "silver.events", rows)), ECONOMY_FLOWS)
    assert found.accepted.count() == 1
    assert [(fault.rule, fault.rows) for fault in found.audit().set_aside] == [("shares_key", 2)]
