from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from pyspark.sql import DataFrame, Row, SparkSession

from telemetry_platform.contracts.tables import TABLES
from telemetry_platform.lake.tables import conform
from telemetry_platform.transforms.gold.player_snapshots import to_player_snapshots
from telemetry_platform_tests.builders import DAY, player_day, rows_of, table

NAME = "gold.player_snapshots"


def day(number: int) -> date:
    return DAY + timedelta(days=number)


def paid(number: int, amount: str, **values: object) -> dict:
    return player_day(day(number), **({"purchase_count": 1, "iap_revenue": Decimal(amount)} | values))


def snapshots(
    spark: SparkSession, days: list[dict], start: int, end: int, previous: DataFrame | None = None
) -> DataFrame:
    before = table(spark, NAME, []) if previous is None else previous
    found = to_player_snapshots(before, table(spark, "silver.player_days", days), start=day(start), end=day(end))
    return conform(found, TABLES[NAME])


def rows(frame: DataFrame) -> list[Row]:
    return rows_of(frame, "snapshot_date", "player_id")


def chained(spark: SparkSession, days: list[dict], bounds: list[int]) -> list[Row]:
    """Snapshots of the ranges between `bounds`, each from the last day of the one before."""
    schema = TABLES[NAME].schema
    found: list[Row] = []
    for start, end in pairwise(bounds):
        last = [row for row in found if row.snapshot_date == day(start - 1)]
        new = [row for row in days if (not last or row["event_date"] >= day(start)) and row["event_date"] < day(end)]
        found += rows(snapshots(spark, new, start, end, spark.createDataFrame(last, schema)))
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
