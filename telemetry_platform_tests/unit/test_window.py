from datetime import UTC, date, datetime

import pytest

from telemetry_platform.errors import LakeError
from telemetry_platform.lake.window import Window


def test_window_is_half_open_and_its_predicate_says_so():
    window = Window.of_days(date(2026, 1, 30), date(2026, 2, 1))
    assert list(window) == [date(2026, 1, 30), date(2026, 1, 31), date(2026, 2, 1)]
    assert window.predicate("event_date") == "event_date >= DATE'2026-01-30' AND event_date < DATE'2026-02-02'"


def test_empty_window_is_refused():
    with pytest.raises(LakeError, match="holds no day"):
        Window(date(2026, 1, 1), date(2026, 1, 1))


def test_widened_window_has_its_neighbours():
    day = Window.between(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))
    assert day.widened(before=1, after=7) == Window(date(2026, 2, 28), date(2026, 3, 9))
