"""What runs by the clock asks for the days it is meant to."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest

from telemetry_platform.definitions import defs
from telemetry_platform.settings import current_settings


@pytest.fixture
def definitions(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.Definitions]:
    monkeypatch.setenv("TELEMETRY_START_DATE", "2026-05-01")
    current_settings.cache_clear()
    yield defs()
    current_settings.cache_clear()


@pytest.mark.parametrize(
    ("night", "days"),
    [
        (datetime(2026, 5, 10, 2, 15, tzinfo=UTC), ("2026-05-08", "2026-05-09")),
        (datetime(2026, 5, 2, 2, 15, tzinfo=UTC), ("2026-05-01", "2026-05-01")),
    ],
    ids=["a night", "the first night"],
)
def test_the_closing_run_restates_the_day_before_too_whose_last_sessions_are_whole_only_now(
    definitions: dg.Definitions, night: datetime, days: tuple[str, str]
):
    schedule = definitions.get_schedule_def("close_yesterday")
    repository = definitions.get_repository_def()
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_schedule_context(instance, night, repository_def=repository) as context,
    ):
        (request,) = schedule.evaluate_tick(context).run_requests or ()
    asked = request.partition_key_range
    assert asked is not None
    assert (asked.start, asked.end) == days
