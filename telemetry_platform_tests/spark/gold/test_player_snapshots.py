from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from pyspark.sql import DataFrame, Row, SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.lake.tables import conform
from telemetry_platform.transforms.gold.player_snapshots import to_player_snapshots
from telemetry_platform_tests.builders import DAY, GAME, player_day, rows_of, table

NAME = "gold.player_snapshots"


def day(number: int) -> date:
    return DAY + timedelta(days=number)


def paid(number: int, amount: str, **values: object) -> dict:
    return player_day(day(number), **({"purchase_count": 1, "iap_revenue": Decimal(amount)} | values))


def link(number: int, guest: str, account: str) -> dict:
    return {
        "valid_from_date": day(number),
        "game_id": GAME,
        "device_or_guest_id": guest,
        "account_id": account,
    }


def snapshots(
    spark: SparkSession,
    days: list[dict],
    start: int,
    end: int,
    previous: DataFrame | None = None,
    links: list[dict] | None = None,
) -> DataFrame:
    before = table(spark, NAME, []) if previous is None else previous
    linked = table(spark, "silver.identity_links", links) if links else None
    player_days = table(spark, "silver.player_days", days)
    return conform(to_player_snapshots(before, player_days, start=day(start), end=day(end), links=linked), TABLES[NAME])


def rows(frame: DataFrame) -> list[Row]:
    return rows_of(frame, "snapshot_date", "player_id")


def chained(spark: SparkSession, days: list[dict], bounds: list[int], links: list[dict] | None = None) -> list[Row]:
    """Snapshots of the ranges between `bounds`, each from the last day of the one before."""
    schema = TABLES[NAME].schema
    found: list[Row] = []
    for start, end in pairwise(bounds):
        last = [row for row in found if row.snapshot_date == day(start - 1)]
        new = [row for row in days if (not last or row["event_date"] >= day(start)) and row["event_date"] < day(end)]
        linked = [
            row
            for row in links or []
            if (not last or row["valid_from_date"] >= day(start)) and row["valid_from_date"] < day(end)
        ]
        found += rows(snapshots(spark, new, start, end, spark.createDataFrame(last, schema), linked))
    return found


def test_no_player_days_give_no_snapshots(spark: SparkSession) -> None:
    assert rows(snapshots(spark, [], 0, 3)) == []


def test_a_player_has_a_row_from_the_first_day_on(spark: SparkSession) -> None:
    found = rows(snapshots(spark, [player_day(day(1)), player_day(day(3), platform="android")], 0, 5))
    assert [row.snapshot_date for row in found] == [day(n) for n in (1, 2, 3, 4)]
    assert [row.active_days for row in found] == [1, 1, 2, 2]
    assert [row.activity_last_91[:4] for row in found] == ["1000", "0100", "1010", "0101"]
    assert [row.activity_first_91[:4] for row in found] == ["1000", "1000", "1010", "1010"]
    assert {len(row.activity_last_91) for row in found} | {len(row.activity_first_91) for row in found} == {91}
    assert [row.last_platform for row in found] == ["ios", "ios", "android", "android"]
    assert {row.first_platform for row in found} == {"ios"}
    assert [row.last_seen_date for row in found] == [day(1), day(1), day(3), day(3)]


def test_recency_frequency_and_money_count_purchase_days(spark: SparkSession) -> None:
    days = [
        player_day(day(0), ad_revenue=Decimal("0.5")),
        paid(1, "10"),
        paid(3, "2", purchase_count=2, ad_revenue=Decimal("1")),
        paid(4, "6"),
    ]
    first, second, _, fourth, fifth, sixth = rows(snapshots(spark, days, 0, 6))
    assert (first.frequency, first.recency_days, first.age_days, first.monetary_value) == (0, None, None, None)
    assert (second.frequency, second.recency_days, second.age_days, second.monetary_value) == (0, 0, 0, None)
    assert (fourth.frequency, fourth.recency_days, fourth.monetary_value) == (1, 2, Decimal("3.000000"))
    assert (fifth.frequency, fifth.recency_days, fifth.monetary_value) == (2, 3, Decimal("4.500000"))
    assert (sixth.age_days, sixth.recency_days, sixth.lifetime_purchases) == (4, 3, 4)
    assert (sixth.first_purchase_date, sixth.last_purchase_date) == (day(1), day(4))
    assert sixth.lifetime_revenue == Decimal("19.500000")


def test_refund_before_any_activity_is_kept_until_the_player_plays(spark: SparkSession) -> None:
    refund = player_day(day(0), is_active=False, iap_revenue=Decimal("-5"), platform="server")
    early, late = chained(spark, [refund, player_day(day(1))], [0, 1, 2])
    assert (early.first_seen_date, early.active_days, early.last_platform) == (None, 0, None)
    assert early.activity_last_91 == early.activity_first_91 == "0" * 91
    assert (late.first_seen_date, late.active_days, late.last_platform) == (day(1), 1, "ios")
    assert late.lifetime_revenue == Decimal("-5.000000")
    assert late.activity_first_91 == late.activity_last_91 == "1" + "0" * 90


def test_refund_on_a_silent_day_changes_money_and_not_activity(spark: SparkSession) -> None:
    refund = player_day(day(2), is_active=False, iap_revenue=Decimal("-5"), platform="server")
    _, _, row = rows(snapshots(spark, [player_day(day(0)), refund], 0, 3))
    assert (row.last_seen_date, row.last_platform, row.lifetime_revenue) == (day(0), "ios", Decimal("-5.000000"))
    assert row.activity_last_91[:4] == "0010"


def test_bitmaps_forget_and_stop_after_91_days(spark: SparkSession) -> None:
    days = [player_day(day(n)) for n in (0, 1, 90, 91, 200)]
    found = {(row.snapshot_date - DAY).days: row for row in rows(snapshots(spark, days, 0, 202))}
    assert found[90].activity_last_91 == "1" + "0" * 88 + "11"
    assert found[91].activity_last_91 == "11" + "0" * 88 + "1"
    assert found[199].activity_last_91 == "0" * 91
    assert found[201].activity_last_91 == "01" + "0" * 89
    assert found[89].activity_first_91 == "11" + "0" * 89
    assert found[201].activity_first_91 == "11" + "0" * 88 + "1"


def test_a_range_equals_its_days_in_any_split(spark: SparkSession) -> None:
    days = [
        *(player_day(day(n), player_id="often") for n in range(0, 120, 3)),
        *(paid(n, f"{n}.25", player_id="payer", country=f"C{n}") for n in (2, 5, 6, 97, 110)),
        player_day(day(4), player_id="payer", is_active=False, iap_revenue=Decimal("-1")),
        player_day(day(1), player_id="refunded", is_active=False, iap_revenue=Decimal("-3"), purchase_count=1),
        player_day(day(98), player_id="refunded"),
        player_day(day(119), player_id="new"),
    ]
    at_once = rows(snapshots(spark, days, 0, 122))
    assert chained(spark, days, [0, 1, 2, 3, 7, 30, 96, 98, 99, 121, 122]) == at_once


def test_lifetime_money_is_unknown_from_the_day_on_which_a_sum_did_not_fit(spark: SparkSession) -> None:
    days = [paid(0, "1"), paid(1, "2") | {"iap_revenue": None}, paid(2, "4"), player_day(day(0), player_id="quiet")]
    expected = [
        ("p1", 0, Decimal("1.000000"), 1),
        ("p1", 1, None, 2),
        ("p1", 2, None, 3),
        ("quiet", 0, Decimal("0.000000"), 0),
        ("quiet", 1, Decimal("0.000000"), 0),
        ("quiet", 2, Decimal("0.000000"), 0),
    ]
    for bounds in ([0, 3], [0, 1, 2, 3]):
        found = sorted(
            (row.player_id, (row.snapshot_date - day(0)).days, row.lifetime_revenue, row.lifetime_purchases)
            for row in chained(spark, days, bounds)
        )
        assert found == expected


def test_the_row_of_a_guest_is_merged_into_the_accounts_on_the_day_of_the_link(spark: SparkSession) -> None:
    days = [
        paid(0, "10", player_id="guest", country="FR", platform="android"),
        player_day(day(2), player_id="guest", platform="web"),
        paid(1, "4", player_id="acc", country="IT"),
        player_day(day(3), player_id="acc", country="ES"),
        player_day(day(3), player_id="other"),
    ]
    found = rows(snapshots(spark, days, 0, 5, links=[link(3, "guest", "acc"), link(3, "acc", "acc")]))
    players = [(row.player_id, (row.snapshot_date - DAY).days) for row in found]
    assert players == [
        *[("guest", 0), ("acc", 1), ("guest", 1), ("acc", 2), ("guest", 2)],
        *[("acc", 3), ("other", 3), ("acc", 4), ("other", 4)],
    ]
    before, merged, after = (row for row in found if row.player_id == "acc" and row.snapshot_date >= day(2))
    assert (before.first_seen_date, before.active_days, before.lifetime_revenue) == (day(1), 1, Decimal("4.000000"))
    assert (merged.first_seen_date, merged.last_seen_date, merged.active_days) == (day(0), day(3), 4)
    assert (merged.activity_first_91[:5], merged.activity_last_91[:5]) == ("11110", "11110")
    assert (after.activity_first_91[:5], after.activity_last_91[:5]) == ("11110", "01111")
    assert (merged.first_platform, merged.first_country, merged.last_country) == ("android", "FR", "ES")
    assert (merged.lifetime_revenue, merged.lifetime_purchases) == (Decimal("14.000000"), 2)
    # The account's first purchase day comes after the guest's: it is a repetition now.
    assert (merged.first_purchase_date, merged.frequency, merged.recency_days) == (day(0), 1, 1)
    assert (merged.monetary_value, merged.first_purchase_revenue) == (Decimal("4.000000"), Decimal("10.000000"))


def test_a_guest_becomes_an_account_that_nobody_has_seen_and_need_not_play_on_the_day(spark: SparkSession) -> None:
    found = rows(snapshots(spark, [player_day(day(0), player_id="guest")], 0, 4, links=[link(2, "guest", "acc")]))
    assert [(row.player_id, row.activity_last_91[:4]) for row in found] == [
        ("guest", "1000"),
        ("guest", "0100"),
        ("acc", "0010"),
        ("acc", "0001"),
    ]
    assert {row.first_seen_date for row in found} == {day(0)}


def test_merging_is_the_same_in_a_range_and_in_any_split_of_it(spark: SparkSession) -> None:
    names = ("g1", "g2", "g3", "phone", "acc", "acc2", "late")
    days = [
        *(paid(n, f"{n}.25", player_id=names[n % 7], country=f"C{n}") for n in (0, 1, 3, 4, 7, 8, 9, 11)),
        *(player_day(day(n), player_id=names[(n * n + 3) % 7], platform=f"P{n}") for n in range(14)),
        *(player_day(day(n), player_id="acc") for n in (12, 95, 110)),
        paid(96, "3", player_id="acc2", iap_revenue=None),
        player_day(day(1), player_id="g2", is_active=False, iap_revenue=Decimal("-1")),
    ]
    gone = {"g1": 12, "g2": 12, "phone": 14, "g3": 97, "late": 100}
    links = [link(n, name, "acc" if name != "g3" else "acc2") for name, n in gone.items()]
    days = [row for row in days if row["event_date"] < day(gone.get(row["player_id"], 200))]
    unique = list({(row["event_date"], row["player_id"]): row for row in days}.values())
    at_once = chained(spark, unique, [0, 112], links)
    assert {row.player_id for row in at_once if row.snapshot_date == day(111)} == {"acc", "acc2"}
    for bounds in ([0, 12, 112], [0, 5, 13, 14, 15, 97, 98, 105, 112]):
        assert chained(spark, unique, bounds, links) == at_once


def test_an_id_that_is_linked_and_named_as_an_account_later_begins_anew(spark: SparkSession) -> None:
    days = [
        player_day(day(0), player_id="both"),
        player_day(day(2), player_id="h"),
        player_day(day(3), player_id="both"),
    ]
    links = [link(1, "both", "acc"), link(3, "h", "both")]
    for bounds in ([0, 4], [0, 1, 2, 3, 4]):
        found = chained(spark, days, bounds, links)
        newest = {row.player_id: (row.first_seen_date, row.active_days) for row in found if row.snapshot_date == day(3)}
        assert newest == {"acc": (day(0), 1), "both": (day(2), 2)}
