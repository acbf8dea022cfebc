"""What the warning checks find, and what they leave alone."""

from datetime import date, timedelta

import pytest

from telemetry_platform.lake.window import Window
from telemetry_platform.quality.audit import GameFault
from telemetry_platform.quality.warnings import large_share, new_names, outside_sessions, unusual_rows

DAY = date(2024, 3, 10)
WINDOW = Window.of_days(DAY, DAY)


def counts(*numbers: int, game: str = "g") -> dict[tuple[date, str], int]:
    """Rows of the days up to DAY, the last number's day."""
    return {(DAY - timedelta(days=n), game): number for n, number in enumerate(reversed(numbers))}


@pytest.mark.parametrize(
    ("numbers", "is_unusual"),
    [
        ((1000, 1000, 1000, 1000, 1000, 1000, 1000, 500), False),
        ((1000, 1000, 1000, 1000, 1000, 1000, 1000, 499), True),
        ((1000, 1000, 1000, 1000, 1000, 1000, 1000, 2000), False),
        ((1000, 1000, 1000, 1000, 1000, 1000, 1000, 2001), True),
        ((1000, 0), True),
        ((1000, 0, 0, 0, 400), False),
        ((99, 99, 1000), False),
        ((1000,), False),
        ((9000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000), False),
    ],
)
def test_a_day_is_unusual_below_half_and_above_twice_the_mean_since_the_games_first_rows(
    numbers: tuple[int, ...], is_unusual: bool
):
    assert bool(unusual_rows(counts(*numbers), WINDOW, closed_through=DAY)) == is_unusual


def test_unusual_days_are_named_per_game_with_their_numbers():
    rows = counts(*[1000] * 7, 10) | counts(*[1000] * 7, 1000, game="fine") | counts(*[200] * 7, 900, game="loud")
    assert unusual_rows(rows, WINDOW, closed_through=DAY) == (
        GameFault("g", "unusual_rows", 10, ("2024-03-10: 10 rows, 1000 a day in the 7 days before",)),
        GameFault("loud", "unusual_rows", 900, ("2024-03-10: 900 rows, 200 a day in the 7 days before",)),
    )


def test_each_day_of_a_window_is_compared_with_the_days_before_itself():
    rows = counts(1000, 1000, 100, 100)
    (fault,) = unusual_rows(rows, Window.of_days(DAY - timedelta(days=1), DAY), closed_through=DAY)
    assert fault.samples == (
        "2024-03-09: 100 rows, 1000 a day in the 7 days before",
        "2024-03-10: 100 rows, 700 a day in the 7 days before",
    )


def test_a_day_that_is_not_closed_is_still_filling():
    assert unusual_rows(counts(*[1000] * 7, 10), WINDOW, closed_through=DAY - timedelta(days=1)) == ()


def test_a_share_is_large_above_its_bound_alone():
    assert large_share("late", 100, 1000, 0.1) == ()
    assert large_share("late", 101, 1000, 0.1) == (GameFault(None, "late", 101, ("10.1% of 1000 rows",)),)
    assert large_share("late", 9, 9, 0.1) == ()
    assert large_share("late", 0, 0, 0.1) == ()


def test_names_are_new_to_their_own_game_and_not_where_the_game_begins():
    before = {("g", "install"), ("other", "boost_used")}
    now = {("g", "install"), ("g", "boost_used"), ("other", "boost_used"), ("begins", "install")}
    assert new_names(now, before) == (GameFault("g", "new_event_name", 1, ("boost_used",)),)
    assert new_names(now, now) == ()


def test_no_more_than_five_new_names_are_shown():
    (fault,) = new_names({("g", f"n{number}") for number in range(9)}, {("g", "install")})
    assert (fault.rows, fault.samples) == (9, ("n0", "n1", "n2", "n3", "n4"))


def test_activity_outside_sessions_is_named_by_game():
    assert outside_sessions({"g": 3, "fine": 0}) == (GameFault("g", "activity_outside_sessions", 3, ()),)
