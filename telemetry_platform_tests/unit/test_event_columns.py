"""Spark columns derived from the schema files, and the currencies they list."""

import pytest
from pyspark.sql.types import DoubleType, IntegerType, LongType, StringType, TimestampType

from telemetry_platform.contracts.columns import columns_of_events, envelope_columns, properties_columns
from telemetry_platform.contracts.currencies import (
    WITH_FOUR_DECIMALS,
    WITH_THREE_DECIMALS,
    WITHOUT_DECIMALS,
    currencies,
)
from telemetry_platform.contracts.schemas import envelope, event_schemas
from telemetry_platform.contracts.tables.bronze_events import BRONZE_EVENTS, ENVELOPE
from telemetry_platform.contracts.value_kinds import value_kind
from telemetry_platform.errors import ContractError

# What a bronze row keeps of an event; streaming jobs and files of the past rely on names, types and order.
BRONZE_ENVELOPE = (
    "struct<event_id:string,event_name:string,event_version:int,game_id:string,player_id:string,device_id:string,"
    "session_id:string,platform:string,build_version:string,country:string,environment:string,created_ts:timestamp,"
    "sent_ts:timestamp,received_ts:timestamp,event_ts:timestamp,source:string,clock_corrected:boolean,"
    "properties:string>"
)


def test_the_envelope_of_bronze_is_unchanged_and_leads_its_columns():
    assert ENVELOPE.simpleString() == BRONZE_ENVELOPE
    assert BRONZE_EVENTS.schema.fields[: len(ENVELOPE.fields)] == ENVELOPE.fields


def test_every_key_a_client_sends_is_a_column_of_bronze():
    assert set(envelope_columns().fieldNames()) == set(envelope()["properties"])
    assert all(column in ENVELOPE.fields for column in envelope_columns().fields)


def test_types_follow_the_schema():
    assert {one.name: type(one.dataType) for one in properties_columns("purchase", 1).fields} == {
        "transaction_id": StringType,
        "product_id": StringType,
        "price_minor": LongType,
        "currency": StringType,
        "quantity": LongType,
        "receipt_status": StringType,
    }
    assert isinstance(envelope_columns()["event_version"].dataType, IntegerType)
    assert isinstance(envelope_columns()["created_ts"].dataType, TimestampType)
    assert isinstance(properties_columns("performance", 1)["fps_avg"].dataType, DoubleType)
    assert isinstance(properties_columns("level_started", 1)["level"].dataType, StringType)
    assert properties_columns("heartbeat", 1).fields == []


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, "text"),
        ({"type": "string", "format": "date-time"}, "timestamp"),
        ({"type": ["integer", "null"]}, "integer"),
        ({"type": ["integer", "number"]}, "number"),
        ({"type": "boolean"}, "boolean"),
        ({"type": ["string", "integer"]}, "text"),
        ({"type": "object"}, "text"),
        ({"type": "array"}, "text"),
        ({"enum": ["a", "b"]}, "text"),
        ({"enum": [1, 2]}, "integer"),
        ({"enum": [1, 2.5]}, "number"),
        ({"const": True}, "boolean"),
        ({}, "text"),
        (True, "text"),
    ],
)
def test_the_kind_of_a_propertys_values(schema, kind):
    assert value_kind(schema) == kind


def test_columns_of_several_events_are_put_together_in_the_order_asked_for():
    found = columns_of_events(("purchase", "refund", "ad_impression"), ("revenue_micros", "price_minor", "currency"))
    assert found.simpleString() == "struct<revenue_micros:bigint,price_minor:bigint,currency:string>"


def test_a_property_that_no_event_has_or_that_has_two_types_is_an_error():
    with pytest.raises(ContractError, match="colour of purchase has not one type but no type at all"):
        columns_of_events(("purchase",), ("colour",))
    with pytest.raises(ContractError, match="There is no built-in event jump version 1"):
        properties_columns("jump", 1)


def test_every_whole_number_fits_its_column():
    bounded = [
        value
        for name, version in event_schemas()
        for value in (
            event_schemas()[name, version]["properties"]["properties"].get("properties", {}) | envelope()["$defs"]
        ).values()
        if value.get("type") == "integer"
    ]
    assert bounded
    assert all(-(2**63) <= value["minimum"] <= value["maximum"] < 2**63 for value in bounded)


def test_currencies_with_an_unusual_minor_unit_are_currencies_of_the_contract():
    unusual = [*WITHOUT_DECIMALS, *WITH_THREE_DECIMALS, *WITH_FOUR_DECIMALS]
    assert len(unusual) == len(set(unusual)) == 27
    assert set(unusual) <= currencies()


def test_currencies_are_the_active_ones_and_those_withdrawn_lately():
    listed = envelope()["$defs"]["currency"]["enum"]
    assert listed == sorted(currencies())
    assert {"EUR", "USD", "JPY", "XAF", "XOF", "XPF", "XCD", "XCG", "ZWG", "HRK", "BGN"} <= currencies()
    assert not {"XTS", "XXX", "XAU", "XAG", "XPT", "XPD", "XDR", "BTC", "RMB"} & currencies()
    assert len(listed) == 177
