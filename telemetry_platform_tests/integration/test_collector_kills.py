"""No acknowledged event is lost when the broker and the collector are killed under load."""

import os
import random
from pathlib import Path

import pytest

from telemetry_platform_tests.integration.kill_run import run_with_kills
from telemetry_platform_tests.integration.own_stack import settings_on_free_ports

KILLS = 3


@pytest.mark.timeout(900)
def test_every_acknowledged_event_is_in_kafka_and_after_dedup_once(tmp_path: Path):
    seed = int(os.environ.get("TELEMETRY_KILL_SEED") or random.randrange(10**6))
    outcome = run_with_kills(settings_on_free_ports(tmp_path), kills=KILLS, seed=seed)
    assert len(outcome.kills) == KILLS
    assert outcome.acknowledged > 0
    assert not outcome.lost, f"TELEMETRY_KILL_SEED={seed}: {outcome}"
    assert not outcome.changed, f"TELEMETRY_KILL_SEED={seed}: {outcome}"
