from datetime import date, timedelta
from decimal import Decimal

import pytest
from pyspark.sql import Row, SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.lake.tables import conform
from telemetry_platform.transforms.gold.daily_kpis import to_daily_kpis
from telemetry_platform.transforms.gold.player_snapshots import to_player_snapshots
from telemetry_platform_tests.builders import GAME, at, player_day, rows_of, session, table

FIRST = date(2024, 2, 25)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def kpis(
    spark: SparkSession,
    days: list[dict],
    *,
    sessions: list[dict] | None = None,
    start: int = 0,
    end: int = 1,
    closed_through: date = date.max,
    links: list[dict] | None = None,
) -> list[Row]:
    linked = table(spark, "silver.identity_links", links) if links else None
    player_days = table(spark, "silver.player_days", days)
    nobody = table(spark, "gold.player_snapshots", [])
    found = to_daily_kpis(
        conform(
            to_player_snapshots(nobody, player_days, start=day(start), end=day(end), links=linked),
            TABLES["gold.player_snapshots"],
        ),
        player_days.where(f"event_date >= DATE'{day(start - 29)}'"),
        table(spark, "silver.sessions", sessions or []),
        start=day(start),
        end=day(end),
        closed_through=closed_through,
        links=linked,
    )
    return rows_of(conform(found, TABLES["gold.daily_kpis"]), "event_date", "segment", "segment_value")


def whole_game(found: list[Row]) -> list[Row]:
    return [row for row in found if row.segment == "all"]


def test_no_players_give_no_rows(spark: SparkSession) -> None:
    assert kpis(spark, []) == []


def test_activity_and_lifecycle(spark: SparkSession) -> None:
    played = {"a": (0, 1, 3), "b": (0, 3), "c": (1,), "d": (3,)}
    days = [player_day(day(n), player_id=player) for player, numbers in played.items() for n in numbers]
    found = whole_game(kpis(spark, days, end=10))
    assert [row.dau for row in found] == [2, 2, 0, 3, 0, 0, 0, 0, 0, 0]
    assert [row.wau for row in found] == [2, 3, 3, 4, 4, 4, 4, 4, 3, 3]
    assert [row.mau_30d for row in found] == [2, 3, 3, 4, 4, 4, 4, 4, 4, 4]
    # Day 5 is the first of March.
    assert [row.mau_calendar for row in found] == [2, 3, 3, 4, 4, 0, 0, 0, 0, 0]
    assert [row.new_players for row in found][:4] == [2, 1, 0, 1]
    assert [row.returning_players for row in found][:4] == [0, 1, 0, 0]
    assert [row.resurrected_players for row in found][:4] == [0, 0, 0, 2]
    assert [row.dormant_players for row in found][:5] == [0, 1, 2, 0, 3]
    assert [row.stickiness for row in found][:4] == [1.0, 2 / 3, None, 0.75]


def test_mau_forgets_after_thirty_days_and_the_row_stays(spark: SparkSession) -> None:
    found = kpis(spark, [player_day(day(0))], start=29, end=31)
    assert [(row.segment, row.mau_30d) for row in found] == [
        ("all", 1),
        ("build_version", 1),
        ("country", 1),
        ("platform", 1),
        ("all", 0),
    ]
    assert found[-1].arpu_30d is None


def test_money_of_the_day_and_of_the_trailing_days(spark: SparkSession) -> None:
    bought = {"purchase_count": 1, "iap_revenue": Decimal("10"), "iap_revenue_unverified": Decimal("4")}
    days = [
        player_day(day(0), player_id="a", **bought),
        player_day(day(0), player_id="b", ad_revenue=Decimal("2")),
        player_day(day(1), player_id="a", is_active=False, iap_revenue=Decimal("-3"), refunds=Decimal("3")),
        player_day(day(30), player_id="b", purchase_count=2, iap_revenue=Decimal("5")),
    ]
    found = whole_game(kpis(spark, days, end=31))
    first, second, last = found[0], found[1], found[30]
    assert (first.revenue, first.iap_revenue, first.ad_revenue) == (Decimal(12), Decimal(10), Decimal(2))
    assert (first.payers, first.new_payers, first.purchases, first.payer_share) == (1, 1, 1, 0.5)
    assert (first.iap_revenue_unverified, first.arpdau, first.arpu_30d, first.arppu_30d) == (Decimal(4), 6.0, 6.0, 10.0)
    assert (second.refunds, second.revenue, second.dau, second.arpdau) == (Decimal(3), Decimal(-3), 0, None)
    assert (second.payers, second.payer_share, second.arpu_30d, second.arppu_30d) == (0, None, 4.5, 7.0)
    # Day 0 is no longer among the trailing 30 days: -3 and 5 are, of one player who was active.
    assert (last.new_payers, last.purchases, last.arpu_30d, last.arppu_30d) == (1, 2, 2.0, 2.0)


def test_session_lengths_are_exact_percentiles(spark: SparkSession) -> None:
    sessions = [session(at("10:00", FIRST), seconds) for seconds in (0, 10, 20, 70)]
    (row,) = whole_game(kpis(spark, [player_day(FIRST)], sessions=sessions))
    assert (row.sessions, row.sessions_per_dau, row.playtime_seconds) == (4, 4.0, 100.0)
    lengths = (row.session_seconds_mean, row.session_seconds_median, row.session_seconds_p90)
    assert lengths == pytest.approx((25.0, 15.0, 55.0), rel=1e-12)


def test_segments_take_the_value_of_the_day_and_add_up_to_the_whole(spark: SparkSession) -> None:
    days = [
        player_day(day(0), player_id="a", platform="ios"),
        player_day(day(1), player_id="a", platform="android", iap_revenue=Decimal("1"), purchase_count=1),
        player_day(day(1), player_id="b", platform=None),
    ]
    sessions = [session(at("10:00", day(1)), 30, player_id="a", platform="ios")]
    found = [row for row in kpis(spark, days, sessions=sessions, start=1, end=2) if row.segment in ("all", "platform")]
    assert [(row.segment_value, row.dau, row.wau, row.sessions, row.revenue) for row in found] == [
        ("all", 2, 2, 1, Decimal(1)),
        ("android", 1, 1, 1, Decimal(1)),
        ("unknown", 1, 1, 0, Decimal(0)),
    ]


def test_refund_of_a_player_who_never_played_is_money_without_activity(spark: SparkSession) -> None:
    refund = player_day(FIRST, is_active=False, iap_revenue=Decimal("-3"), refunds=Decimal("3"))
    (row,) = whole_game(kpis(spark, [refund]))
    assert (row.dau, row.mau_30d, row.new_players, row.refunds) == (0, 0, 0, Decimal(3))


def test_days_up_to_the_given_one_are_closed(spark: SparkSession) -> None:
    found = whole_game(kpis(spark, [player_day(FIRST)], end=2, closed_through=FIRST))
    assert [row.is_closed for row in found] == [True, False]


def test_money_that_did_not_fit_makes_its_sums_unknown_and_nobody_elses(spark: SparkSession) -> None:
    days = [
        player_day(day(0), player_id="p1", iap_revenue=None, purchase_count=1),
        player_day(day(0), player_id="p2", iap_revenue=Decimal("5.000000"), purchase_count=1),
        player_day(day(0), player_id="p3", game_id="quiet", iap_revenue=Decimal("7.000000"), purchase_count=1),
        player_day(day(1), player_id="p2"),
    ]
    found = {(row.game_id, row.event_date): row for row in whole_game(kpis(spark, days, end=2))}
    unfit, quiet, next_day = found["game", day(0)], found["quiet", day(0)], found["game", day(1)]
    assert (unfit.dau, unfit.payers, unfit.revenue, unfit.arpdau, unfit.arpu_30d) == (2, 2, None, None, None)
    assert (quiet.revenue, quiet.arpdau) == (Decimal("7.000000"), 7.0)
    assert (next_day.revenue, next_day.arpdau, next_day.arpu_30d) == (Decimal("0.000000"), 0.0, None)


def test_a_guest_who_becomes_an_account_is_one_player_and_takes_the_trailing_money_along(spark: SparkSession) -> None:
    paid = {"purchase_count": 1, "iap_revenue": Decimal("6")}
    days = [
        player_day(day(0), player_id="guest", **paid),
        player_day(day(1), player_id="acc", platform="android"),
        player_day(day(1), player_id="other"),
    ]
    linked = [{"valid_from_date": day(1), "game_id": GAME, "device_or_guest_id": "guest", "account_id": "acc"}]
    found = kpis(spark, days, end=31, links=linked)
    first, second, *later = whole_game(found)
    assert (first.dau, first.new_players, first.arppu_30d) == (1, 1, 6.0)
    assert (second.dau, second.new_players, second.returning_players, second.dormant_players) == (2, 1, 1, 0)
    assert (second.mau_30d, second.payers, second.arpu_30d, second.arppu_30d) == (2, 0, 3.0, 6.0)
    assert [row.arppu_30d for row in later] == [6.0] * 28 + [None]
    android = [row for row in found if (row.event_date, row.segment_value) == (day(1), "android")]
    assert [(row.mau_30d, row.arppu_30d) for row in android] == [(1, 6.0)]
