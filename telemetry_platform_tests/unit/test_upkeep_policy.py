"""Which days go and which files are rewritten, without a table."""

from datetime import date, timedelta

import pytest

from streaming.bronze_events import batch_bounds
from telemetry_platform.lake.compaction import Partition, Policy, is_sorted, piece_of
from telemetry_platform.lake.maintenance import days_to_thin
from telemetry_platform.settings import read_settings

TODAY = date(2026, 11, 27)
POLICY = Policy(least_files=3, small_bytes=100, target_bytes=400, round_bytes=150, round_files=4)


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def test_the_last_day_of_the_policy_stays_and_the_one_before_goes():
    assert days_to_thin(days(date(2026, 11, 10), TODAY), today=TODAY, keep_days=10) == days(
        date(2026, 11, 10), date(2026, 11, 16)
    )


def test_ends_of_months_stay_for_ever_a_leap_day_among_them():
    thinned = days_to_thin(days(date(2024, 1, 1), date(2024, 3, 31)), today=TODAY, keep_days=400)
    assert len(thinned) == 91 - 3
    assert not {date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)} & set(thinned)


def test_the_newest_snapshot_stays_however_old_it_is():
    assert days_to_thin([date(2020, 5, 4), date(2020, 5, 5)], today=TODAY, keep_days=1) == [date(2020, 5, 4)]
    assert days_to_thin([], today=TODAY, keep_days=1) == []


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((), None),
        ((10, 20), None),
        ((10, 20, 100, 500), None),
        ((10, 20, 99, 100), (3, 129, 100)),
        ((50, 60, 70, 80), (2, 110, 61)),
        ((99, 99, 99), (2, 198, 100)),
        ((1, 2, 3, 4, 5, 6), (4, 10, 5)),
    ],
)
def test_a_round_takes_the_smallest_files_up_to_its_bounds_and_two_at_least(
    sizes: tuple[int, ...], expected: tuple[int, int, int] | None
):
    piece = piece_of(Partition((), sizes), POLICY)
    assert (None if piece is None else (piece.files, piece.bytes, piece.below_bytes)) == expected


def test_files_that_follow_each_other_are_sorted_and_files_that_all_span_everything_are_not():
    assert is_sorted(Partition((), (1, 1, 1), spans=((0, 10), (10, 20), (20, 30))))
    assert not is_sorted(Partition((), (1, 1, 1), spans=((0, 30), (0, 29), (1, 30))))
    assert is_sorted(Partition((), (1,), spans=((0, 30),)))


def test_a_partition_is_named_by_all_its_values_whatever_they_hold():
    partition = Partition((("event_date", "2026-11-01"), ("game_id", "o'neil\\"), ("arrival", None)), ())
    assert partition.predicate == "event_date = '2026-11-01' AND game_id = 'o\\'neil\\\\' AND arrival IS NULL"


def test_few_records_wait_and_many_do_not_and_a_single_pass_waits_for_nothing():
    settings = read_settings({"TELEMETRY_BRONZE_BATCH_RECORDS": "1000", "TELEMETRY_BRONZE_TRIGGER_SECONDS": "7"})
    assert batch_bounds(settings, once=False) == {
        "maxOffsetsPerTrigger": "1000",
        "minOffsetsPerTrigger": "200",
        "maxTriggerDelay": "7s",
    }
    assert batch_bounds(settings, once=True) == {"maxOffsetsPerTrigger": "1000"}
