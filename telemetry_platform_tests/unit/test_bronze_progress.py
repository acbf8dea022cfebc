"""What the streaming job makes of Spark's progress reports."""

from types import SimpleNamespace
from typing import Any

import pytest

from streaming.bronze_events import LAG, report_progress
from telemetry_platform.settings import EVENTS_TOPIC


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
    source = {"endOffset": {EVENTS_TOPIC: {"0": 10, "1": 5}}, "latestOffset": latest}
    batch = {"batchId": 3, "numInputRows": 7, "batchDuration": 40, "sources": [source]}
    query: Any = SimpleNamespace(recentProgress=[batch])
    assert report_progress(query, -1) == 3
    assert LAG._value.get() == lag
