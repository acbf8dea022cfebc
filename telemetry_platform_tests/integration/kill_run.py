"""Kill -9 of the broker and of the collector under load, and what is left in Kafka afterwards."""

import json
import logging
import os
import random
import signal
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from telemetry_platform.client import TelemetryClient
from telemetry_platform.errors import CollectorError
from telemetry_platform.games.registry import add_game
from telemetry_platform.lake.topics import end_offsets
from telemetry_platform.local import stack
from telemetry_platform.settings import EVENTS_TOPIC, Settings
from telemetry_platform_tests.integration.topic_records import records_since

log = logging.getLogger(__name__)

GAME = "kills"
SERVICES = frozenset({"warehouse", "bronze", "dagster"})
TARGETS = (("broker",), ("collector",), ("broker", "collector"))
SENDERS = 4
BATCH_EVENTS = 20
RETRY_SECONDS = 120
LONGEST_UNDISTURBED_SECONDS = 4.0
PROGRESS_SECONDS = 120
ATTEMPT_STAMPS = frozenset({"sent_ts", "received_ts", "event_ts"})


@dataclass(frozen=True)
class Outcome:
    """What was acknowledged, and how often each acknowledged event is in Kafka.

    `lost` are ids of acknowledged events that are not in Kafka. `copies` counts records beyond the first of an
    event; `changed` are ids of which two records differ in more than the stamps of an attempt: silver's dedup
    would take them for two events. `given_up` batches were never acknowledged.
    """

    seed: int
    kills: tuple[tuple[str, ...], ...]
    acknowledged: int
    records: int
    copies: int
    given_up: int
    lost: frozenset[str]
    changed: frozenset[str]


@dataclass
class _Load:
    """Senders in threads of their own: every event an id of its own, every batch retried until it is confirmed."""

    client: TelemetryClient
    acknowledged: list[str] = field(default_factory=list)
    given_up: int = 0
    failure: Exception | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    def send_until_stopped(self, player: str) -> None:
        while not self.stopping.is_set():
            events = [_event(player) for _ in range(BATCH_EVENTS)]
            try:
                answer = self.client.send(events, sent_ts=datetime.now(UTC))
            except CollectorError as error:
                log.warning("event=batch_given_up reason=%s", error)
                self.given_up += 1
                continue
            except Exception as error:
                # A thread's exception would go nowhere, and the run would look quiet.
                self.failure = error
                return
            assert (answer.accepted, answer.rejected) == (BATCH_EVENTS, ())
            self.acknowledged += [event["event_id"] for event in events]


def run_with_kills(settings: Settings, *, kills: int, seed: int) -> Outcome:
    """Start broker and collector, kill `kills` times under load, and account for every acknowledged event.

    Moments and targets follow from `seed`; what the machine makes of them does not. The stack is down afterwards.
    """
    dice = random.Random(seed)
    keys = add_game(settings, GAME, None)
    try:
        stack.up(settings, without=SERVICES)
        start = end_offsets(settings.kafka, (EVENTS_TOPIC,))[EVENTS_TOPIC]
        load = _Load(TelemetryClient(settings.collector_url, keys.write_key, retry_seconds=RETRY_SECONDS))
        threads = [
            threading.Thread(target=load.send_until_stopped, args=(f"p-{number}",), daemon=True)
            for number in range(SENDERS)
        ]
        for thread in threads:
            thread.start()
        try:
            done = tuple(_kill_and_restart(settings, load, dice, number) for number in range(kills))
        finally:
            load.stopping.set()
            for thread in threads:
                thread.join(RETRY_SECONDS + 30)
        assert not any(thread.is_alive() for thread in threads), "a sender did not end"
        outcome = _account(settings, load, start, seed, done)
        log.info("event=kills_accounted outcome=%s", outcome)
        return outcome
    finally:
        stack.down(settings)


def _kill_and_restart(settings: Settings, load: _Load, dice: random.Random, number: int) -> tuple[str, ...]:
    _wait_for_progress(load, BATCH_EVENTS)
    time.sleep(dice.uniform(0, LONGEST_UNDISTURBED_SECONDS))
    targets = dice.choice(TARGETS)
    pids = {status.name: status.pid for status in stack.status(settings)}
    for name in targets:
        pid = pids[name]
        assert pid is not None, f"{name} does not run"
        os.killpg(pid, signal.SIGKILL)
    log.info("event=killed number=%d targets=%s acknowledged=%d", number, "+".join(targets), len(load.acknowledged))
    # How long it stays away is left to chance as well: the producer's and the client's patience both count.
    time.sleep(dice.uniform(0, LONGEST_UNDISTURBED_SECONDS))
    stack.up(settings, without=SERVICES)
    _wait_for_progress(load, BATCH_EVENTS * SENDERS)
    return targets


def _wait_for_progress(load: _Load, events: int) -> None:
    """Wait until that many more events are acknowledged."""
    wanted = len(load.acknowledged) + events
    deadline = time.monotonic() + PROGRESS_SECONDS
    while len(load.acknowledged) < wanted:
        if load.failure is not None:
            raise load.failure
        assert time.monotonic() < deadline, (
            f"{len(load.acknowledged)} events acknowledged, and no more for {PROGRESS_SECONDS} s"
        )
        time.sleep(0.02)


def _account(
    settings: Settings, load: _Load, start: dict[int, int], seed: int, kills: tuple[tuple[str, ...], ...]
) -> Outcome:
    found: dict[tuple[str, str], bytes] = {}
    changed, copies = set(), 0
    for record in records_since(settings.kafka, EVENTS_TOPIC, start):
        event = json.loads(record.value())
        unstamped = json.dumps({name: value for name, value in event.items() if name not in ATTEMPT_STAMPS}).encode()
        first = found.setdefault((event["game_id"], event["event_id"]), unstamped)
        copies += first is not unstamped
        if first != unstamped:
            changed.add(event["event_id"])
    return Outcome(
        seed=seed,
        kills=kills,
        acknowledged=len(load.acknowledged),
        records=len(found) + copies,
        copies=copies,
        given_up=load.given_up,
        lost=frozenset(event_id for event_id in load.acknowledged if (GAME, event_id) not in found),
        changed=frozenset(changed),
    )


def _event(player: str) -> dict[str, Any]:
    return {
        "event_id": str(uuid.uuid4()),
        "event_name": "heartbeat",
        "event_version": 1,
        "created_ts": datetime.now(UTC).isoformat(),
        "player_id": player,
    }
