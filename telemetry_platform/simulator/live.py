"""Plan a short live run: players new to it, on clocks that are right, late or wrong."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Literal

from telemetry_platform.simulator.events import DAY_US, Event, day_of, encode_session, malform
from telemetry_platform.simulator.plan import GamePlan
from telemetry_platform.simulator.players import Player, draw_player, run_tag
from telemetry_platform.simulator.run import Planted, Request, Run, finish
from telemetry_platform.simulator.story import Story
from telemetry_platform.simulator.tally import Tally

LATEST_OFFLINE_DAYS = 10
_MINUTE_US = 60_000_000
_HOUR_US = 60 * _MINUTE_US
_CLEAR_US = 12 * _MINUTE_US
_APART_US = 3 * _HOUR_US + 10 * _MINUTE_US
_RETRY_RATE = 0.04
_CLOCK_ERRORS = (
    timedelta(days=-3 * 365),
    timedelta(hours=5, minutes=13),
    timedelta(days=2 * 365),
    timedelta(hours=-7),
    timedelta(days=-40),
    timedelta(minutes=-47),
)

Kind = Literal["normal", "offline", "wrong_clock"]


def live(plan: GamePlan, run_id: str, now: datetime, seed: int = 0) -> Run:
    """Plan about `plan.live_events` events that happened before `now`, each session in one request.

    Nothing lies within 10 minutes of a UTC midnight and the sessions of a player are at least 3 hours
    apart: neither the latency of a request nor its retries can move the truth.
    """
    planner = _LivePlanner(plan, Random(f"{run_id}:{seed}"), run_id, now)  # noqa: S311 - not for secrets
    while planner.event_total < plan.live_events:
        planner.add_player()
    planted = Planted(
        run_id=run_id,
        kind="live",
        game_id=plan.game_id,
        seed=seed,
        players=planner.players,
        history_days=0,
        through=now.astimezone(UTC).date(),
        tally=planner.tally,
        malformed=planner.malformed,
        natural_copies=planner.natural_copies,
        id_collisions=0,
    )
    return finish(planted, planner.requests)


def clear_of_midnight(start_us: int, duration_us: int, spare_us: int = 0) -> int:
    """Return the latest start, not after `start_us`, that keeps the session clear of both its midnights.

    A session that came too close ends `spare_us` and twelve minutes before the midnight it touched.
    """
    end_us = start_us + duration_us
    midnight = (end_us + _CLEAR_US) // DAY_US * DAY_US
    if start_us >= midnight + _CLEAR_US or end_us <= midnight - _CLEAR_US:
        return start_us
    return midnight - _CLEAR_US - spare_us - duration_us


@dataclass
class _LivePlanner:
    """Collects requests, faults and truth of one live run."""

    plan: GamePlan
    rng: Random
    run_id: str
    now: datetime

    def __post_init__(self) -> None:
        self.now_us = int(self.now.timestamp() * 1_000_000)
        self.tally = Tally(self.now_us // DAY_US - LATEST_OFFLINE_DAYS - 1)
        self.malformed: Counter[str] = Counter()
        self.natural_copies = 0
        self.requests: list[Request] = []
        self.event_total = 0
        self.players = 0
        self.wrong_clocks = 0

    def add_player(self) -> None:
        """Plan one new player and its one or two sessions."""
        rng = self.rng
        self.players += 1
        player = draw_player(rng, self.plan, run_tag(self.run_id), self.players)
        number = -1 if player.is_excluded else self.tally.add_player()
        roll = rng.random()
        kind: Kind = "normal" if roll < 0.75 else "offline" if roll < 0.9 else "wrong_clock"
        latest = self.now_us - int(rng.uniform(0.5, 6) * _MINUTE_US)
        if kind == "offline":
            midnight = self.now_us // DAY_US * DAY_US
            latest = midnight - rng.randint(1, LATEST_OFFLINE_DAYS) * DAY_US + int(rng.uniform(11, 14) * _HOUR_US)
        sessions = 2 if kind == "normal" and rng.random() < 0.1 else 1
        # Told from the last to the first, because each must end well before the next one starts.
        for index in reversed(range(sessions)):
            start = self._add_session(player, number, kind, index=index, latest_us=latest)
            latest = start - _APART_US - int(rng.random() * 2 * _HOUR_US)

    def _add_session(self, player: Player, number: int, kind: Kind, *, index: int, latest_us: int) -> int:
        """Plan a session that ends no later than `latest_us`; returns its start."""
        rng = self.rng
        who = f"{run_tag(self.run_id)}-{player.number}-{index}"
        story = Story(rng, self.plan, player, level=1 + 4 * index, transactions=f"t-{who}")
        steps = story.tell(is_first=index == 0)
        duration = steps[-1][0] * 1_000
        start = clear_of_midnight(latest_us - duration, duration, int(rng.random() * _HOUR_US))
        if player.is_excluded:
            self.tally.add_excluded(start, steps)
        else:
            self.tally.add_session(number, start, steps)
        template = Event(
            event_id="",
            event_name="",
            event_version=1,
            created_ts="",
            player_id=player.player_id,
            device_id=player.devices[0],
            session_id=f"s-{who}",
            platform=player.platform,
            build_version=player.build_version(day_of(start)),
            country=player.country,
            environment=player.environment,
        )
        offset = timedelta(0)
        if kind == "wrong_clock":
            offset = _CLOCK_ERRORS[self.wrong_clocks % len(_CLOCK_ERRORS)]
            self.wrong_clocks += 1
        on_device_clock = start + offset // timedelta(microseconds=1)
        events = encode_session(rng, template, steps, on_device_clock, zone_minutes=player.zone_minutes)
        self._send(events, offset)
        return start

    def _send(self, events: list[bytes], clock_offset: timedelta) -> None:
        rng = self.rng
        good = len(events)
        rejected: set[int] = set()
        attempts = 2 if rng.random() < _RETRY_RATE else 1
        if rng.random() < 2 * self.plan.faults.malformed_rate * good:
            way, broken = malform(rng, events[0])
            place = rng.randint(0, good)
            events.insert(place, broken)
            rejected.add(place)
            self.malformed[way] += attempts
        request = Request(tuple(events), frozenset(rejected), clock_offset)
        # A client that saw no answer sends all of it again, stamped with the time of the second attempt.
        self.requests.extend([request] * attempts)
        self.natural_copies += good * (attempts - 1)
        self.event_total += len(events) * attempts
