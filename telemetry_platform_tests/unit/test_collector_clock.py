from datetime import UTC, datetime, timedelta

import pytest

from telemetry_platform.collector.clock import event_time, rfc3339

RECEIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)
HORIZON = timedelta(days=30)


def at(created: datetime, sent: datetime | None) -> tuple[datetime | None, str | None]:
    return event_time(created=created, sent=sent, received=RECEIVED, horizon=HORIZON)


def test_a_clock_years_ahead_is_corrected_by_when_the_request_was_sent():
    assert at(datetime(2031, 1, 1, 0, 0, tzinfo=UTC), datetime(2031, 1, 1, 0, 10, tzinfo=UTC)) == (
        RECEIVED - timedelta(minutes=10),
        None,
    )


def test_an_event_created_after_it_was_sent_happened_when_it_was_received():
    assert at(RECEIVED + timedelta(minutes=5), RECEIVED) == (RECEIVED, "capped")


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        (RECEIVED - timedelta(hours=1), (RECEIVED - timedelta(hours=1), None)),
        (RECEIVED, (RECEIVED, None)),
        (RECEIVED - HORIZON, (RECEIVED - HORIZON, None)),
        (RECEIVED - HORIZON - timedelta(microseconds=1), (RECEIVED, "fell_back")),
        (RECEIVED + timedelta(microseconds=1), (RECEIVED, "fell_back")),
    ],
)
def test_without_sent_ts_a_created_time_is_believed_within_the_horizon_only(
    created: datetime, expected: tuple[datetime, str | None]
):
    assert at(created, None) == expected


def test_the_horizon_itself_is_not_too_late_and_a_microsecond_more_is():
    assert at(RECEIVED - HORIZON, RECEIVED) == (RECEIVED - HORIZON, None)
    assert at(RECEIVED - HORIZON - timedelta(microseconds=1), RECEIVED) == (None, "too_late")


def test_times_that_no_calendar_holds_are_too_late_or_now():
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert at(first, last) == (None, "too_late")
    assert at(last, first) == (RECEIVED, "capped")


def test_times_are_written_with_microseconds_and_z():
    assert rfc3339(RECEIVED) == "2026-11-23T12:00:00.000000Z"
