"""What the streaming job makes of Spark's progress reports."""

from types import SimpleNamespace
from typing import Any

import pytest

from streaming.bronze_events import BATCH_ID, LAG, NEXT_OFFSET, report_progress
from telemetry_platform.settings import EVENTS_TOPIC


def query_that_reported(*batches: dict[str, Any]) -> Any:
    return SimpleNamespace(recentProgress=list(batches))


def report(batch_id: int, rows: int, *, end: int = 10, latest: object = None) -> dict[str, Any]:
    source = {"endOffset": {EVENTS_TOPIC: {"0": end, "1": 5}}, "latestOffset": latest}
    return {"batchId": batch_id, "numInputRows": rows, "batchDuration": 40, "sources": [source]}


@pytest.mark.parametrize(
    ("latest", "lag"),
    [
        ({EVENTS_TOPIC: {"0": 12, "1": 5}}, 2),
        # What Spark says while it repeats the batch that a killed process had begun.
        ({EVENTS_TOPIC: None}, 0),
        (f'{{"{EVENTS_TOPIC}": null}}', 0),
        ("null", 0),
        (None, 0),
    ],
)
def test_the_lag_is_what_is_known_of_it(latest: object, lag: int):
    assert report_progress(query_that_reported(report(3, 7, latest=latest)), -1) == 3
    assert LAG._value.get() == lag


def test_the_first_batch_after_a_pause_is_seen_though_idle_triggers_reported_its_number_before():
    reports = [report(3, 7, end=10), report(4, 0, end=10)]
    last = report_progress(query_that_reported(*reports), -1)
    assert (last, BATCH_ID._value.get()) == (3, 3)
    reports.append(report(4, 5, end=15))
    assert report_progress(query_that_reported(*reports), last) == 4
    assert (BATCH_ID._value.get(), NEXT_OFFSET.labels(EVENTS_TOPIC, "0")._value.get()) == (4, 15)
