from datetime import date, timedelta
from typing import Any

import pytest
from pyspark.sql import SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.lake.tables import conform
from telemetry_platform.transforms.silver.identity_links import to_identity_links
from telemetry_platform_tests.builders import DAY, GAME, at, event, rows_of, table

NAME = "silver.identity_links"
NEXT = DAY + timedelta(days=1)


def identify(account: str | None, guest: str | None, device: str | None = None, text: str = "12:00", **values: Any):
    """Return an accepted `identify` event."""
    row = event("identify", at(text, values.pop("day", DAY)), account_id=account, **values)
    return row | {"player_id": guest or device, "sent_player_id": guest, "device_id": device}


def link(id_: str, account: str, day: date = DAY) -> dict[str, Any]:
    return {"valid_from_date": day, "game_id": GAME, "device_or_guest_id": id_, "account_id": account}


def links(spark: SparkSession, events: list[dict], earlier: list[dict] | None = None) -> dict[str, tuple[str, date]]:
    """Account and first day of each id."""
    found = to_identity_links(table(spark, "silver.events", events), table(spark, NAME, earlier or []))
    rows = rows_of(conform(found, TABLES[NAME]), "device_or_guest_id")
    assert len({(row.game_id, row.device_or_guest_id) for row in rows}) == len(rows)
    return {row.device_or_guest_id: (row.account_id, row.valid_from_date) for row in rows}


def test_no_events_give_no_links(spark: SparkSession):
    assert links(spark, []) == {}


def test_an_identify_links_the_sent_player_and_the_device_and_the_account_to_itself(spark: SparkSession):
    found = links(spark, [identify("acc", "guest", "phone"), event(player_id="other")])
    assert found == {"acc": ("acc", DAY), "guest": ("acc", DAY), "phone": ("acc", DAY)}


def test_a_client_that_sends_the_account_as_its_player_links_its_device_alone(spark: SparkSession):
    assert links(spark, [identify("acc", "acc", "phone")]) == {"acc": ("acc", DAY), "phone": ("acc", DAY)}
    assert links(spark, [identify("acc", None, None)]) == {"acc": ("acc", DAY)}


@pytest.mark.parametrize("texts", [("12:00", "12:01"), ("12:00", "12:00")])
def test_the_first_account_wins_within_a_day_by_time_and_then_by_event_id(spark: SparkSession, texts: tuple[str, str]):
    first = identify("a2", "guest", text=texts[0], event_id="1")
    second = identify("a1", "guest", text=texts[1], event_id="2")
    for events in ([first, second], [second, first]):
        assert links(spark, events)["guest"] == ("a2", DAY)


def test_a_link_of_an_earlier_day_stays_whichever_account_is_named_later(spark: SparkSession):
    later = identify("b", "guest", "phone", day=NEXT)
    expected = {"b": ("b", NEXT), "phone": ("b", NEXT)}
    assert links(spark, [later], [link("guest", "a"), link("a", "a")]) == expected
    at_once = links(spark, [later, identify("a", "guest", text="23:59")])
    assert at_once == expected | {"guest": ("a", DAY), "a": ("a", DAY)}


def test_two_accounts_never_merge(spark: SparkSession):
    known = [link("a", "a"), link("b", "b")]
    assert links(spark, [identify("b", "a", day=NEXT)], known) == {}
    # The same day says that `a` is an account, be it later on the day than the claim.
    assert links(spark, [identify("b", "a", text="10:00"), identify("a", "guest", text="11:00")]) == {
        "a": ("a", DAY),
        "b": ("b", DAY),
        "guest": ("a", DAY),
    }


def test_links_are_not_chained(spark: SparkSession):
    later = identify("guest", "phone", day=NEXT)
    assert links(spark, [later], [link("guest", "a"), link("a", "a")]) == {"phone": ("guest", NEXT)}


def test_excluded_traffic_and_an_identify_without_an_account_link_nothing(spark: SparkSession):
    assert links(spark, [identify("a", "guest", is_excluded=True), identify(None, "guest")]) == {}


def test_games_do_not_share_links(spark: SparkSession):
    elsewhere = identify("b", "guest", game_id="other")
    assert links(spark, [elsewhere], [link("guest", "a")]) == {"b": ("b", DAY), "guest": ("b", DAY)}
