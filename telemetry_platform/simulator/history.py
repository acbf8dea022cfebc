"""Plan a game's imported history: whole days of players who arrive, come back, pay and leave."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import accumulate
from random import Random

from telemetry_platform.simulator.events import (
    DAY_US,
    Event,
    Step,
    collide,
    day_number,
    day_of,
    encode,
    encode_session,
    event_id,
    malform,
    rfc3339,
)
from telemetry_platform.simulator.plan import GamePlan
from telemetry_platform.simulator.players import Player, draw_player, run_tag
from telemetry_platform.simulator.run import Planted, Request, Run, finish
from telemetry_platform.simulator.story import Story
from telemetry_platform.simulator.tally import Tally

BATCH_EVENTS = 1_000
_MARGIN_US = 5 * 60_000_000
_LAST_START_US = DAY_US - 4 * 3_600_000_000
_MINUTE_MS = 60_000


def history(plan: GamePlan, seed: int, first_date: date, days: int, through: date | None = None) -> Run:
    """Plan `days` whole UTC days from `first_date`; nothing happens after the last of them.

    The same arguments give the same bytes. `through` is the last day the truth is written for
    (default: the day after the last one).
    """
    run_id = history_run_id(plan.game_id, seed, first_date, days)
    planner = _Planner(plan, Random(run_id), run_id, day_number(first_date), days)  # noqa: S311 - not for secrets
    for arrival in planner.arrivals():
        planner.live_a_life(arrival)
    requests = planner.requests()
    planted = Planted(
        run_id=run_id,
        kind="history",
        game_id=plan.game_id,
        seed=seed,
        players=plan.players,
        history_days=days,
        through=through or first_date + timedelta(days=days),
        tally=planner.tally,
        malformed=planner.malformed,
        natural_copies=planner.natural_copies,
        id_collisions=len(planner.collisions),
    )
    return finish(planted, requests)


def history_run_id(game_id: str, seed: int, first_date: date, days: int) -> str:
    """Name of a history; players carry it, so two histories share none."""
    return f"history-{game_id}-{first_date:%Y%m%d}-{days}d-{seed}"


@dataclass(slots=True)
class _Life:
    """One player on the way through the history: what changes from session to session."""

    player: Player
    number: int
    level: int = 1
    sessions: int = 0
    free_from_us: int = 0
    last_event_us: int = 0
    refundable: list[tuple[int, str, int]] = field(default_factory=list)


class _Planner:
    """Collects events, faults and truth of one game."""

    def __init__(self, plan: GamePlan, rng: Random, run_id: str, first_day: int, days: int) -> None:
        self.tally = Tally(first_day)
        self.malformed: Counter[str] = Counter()
        self.natural_copies = 0
        self.collisions: list[tuple[int, int, bytes]] = []
        self._good: list[tuple[int, int, bytes]] = []
        self._broken: list[tuple[int, int, bytes]] = []
        self._completed_levels = 0
        self._plan = plan
        self._rng = rng
        self._tag = run_tag(run_id)
        self._first_us = first_day * DAY_US
        self._days = days
        self._end_us = self._first_us + days * DAY_US
        self._players = 0

    def arrivals(self) -> list[int]:
        """Draw the day each player arrives on: an audience on the first day, more at weekends."""
        first = day_of(self._first_us).weekday()
        weights = [1.3 if (first + day) % 7 >= 5 else 1.0 for day in range(self._days)]
        weights[0] = 2.5
        return self._rng.choices(range(self._days), cum_weights=list(accumulate(weights)), k=self._plan.players)

    def live_a_life(self, arrival: int) -> None:
        """Plan every session of one new player, then its refunds and what the server does to it."""
        rng = self._rng
        self._players += 1
        player = draw_player(rng, self._plan, self._tag, self._players)
        life = _Life(player, -1 if player.is_excluded else self.tally.add_player())
        for day in range(arrival, self._days):
            age = day - arrival
            if age == 0 or rng.random() < min(0.95, player.loyalty * age**-self._plan.return_decay):
                self._play_a_day(life, day)
        if not player.is_excluded:
            self._refund(life)
            if rng.random() < 0.05:
                self._give_from_server(life)

    def _play_a_day(self, life: _Life, day: int) -> None:
        rng = self._rng
        day_us = self._first_us + day * DAY_US
        sessions = 1 + (rng.random() < 0.45) + (rng.random() < 0.2)
        # Played until late in the evening, so that some sessions cross midnight; not on the last day,
        # whose next one is not part of the history.
        latest = _LAST_START_US if day == self._days - 1 else DAY_US - 1_000_000
        starts = sorted(day_us + int(rng.triangular(0, latest, latest * 0.8)) for _ in range(sessions))
        for drawn in starts:
            start = max(drawn, life.free_from_us)
            if start >= day_us + latest:
                break
            self._play(life, start if life.player.platform == "android" else start - start % 1_000)
            again = life.last_event_us + self._plan.session_gap_us + 1_000
            if len(life.player.devices) == 1 and again < day_us + latest and rng.random() < 0.004:
                # One millisecond more than the gap is a session of its own.
                self._play(life, again)

    def _play(self, life: _Life, start_us: int) -> None:
        rng, player = self._rng, life.player
        pause = self._plan.session_gap_minutes * _MINUTE_MS if rng.random() < 0.004 else 0
        steps = self._session(life, start_us, player.devices[0], pause)
        life.last_event_us = start_us + steps[-1][0] * 1_000
        life.free_from_us = life.last_event_us + self._plan.session_gap_us + _MARGIN_US
        if len(player.devices) > 1 and rng.random() < 0.3:
            # Meanwhile on the other device: a session of its own, however close in time.
            beside = start_us + 60_000_000
            steps = self._session(life, beside, player.devices[1], 0)
            ends = beside + steps[-1][0] * 1_000 + self._plan.session_gap_us + _MARGIN_US
            life.free_from_us = max(life.free_from_us, ends)

    def _session(self, life: _Life, start_us: int, device: str | None, pause_ms: int) -> Sequence[Step]:
        rng, player = self._rng, life.player
        life.sessions += 1
        who = f"{self._tag}-{player.number}-{life.sessions}"
        story = Story(rng, self._plan, player, level=life.level, transactions=f"t-{who}")
        steps = story.tell(is_first=life.sessions == 1, pause_ms=pause_ms)
        life.level = story.level
        template = self._template(player, device, start_us, f"s-{who}")
        encoded = encode_session(rng, template, steps, start_us, zone_minutes=player.zone_minutes)
        rank = len(self._good)
        self._good.extend(
            (start_us + step[0] * 1_000, rank + index, event)
            for index, (step, event) in enumerate(zip(steps, encoded, strict=True))
        )
        if player.is_excluded:
            self.tally.add_excluded(start_us, steps)
        else:
            self.tally.add_session(life.number, start_us, steps)
            self._note(life, start_us, steps, encoded)
        if rng.random() < self._plan.faults.malformed_rate * len(steps):
            way, broken = malform(rng, encoded[-1])
            self.malformed[way] += 1
            self._broken.append((life.last_event_us or start_us, len(self._broken), broken))
        return steps

    def _template(self, player: Player, device: str | None, us: int, session_id: str | None) -> Event:
        return Event(
            event_id="",
            event_name="",
            event_version=1,
            created_ts="",
            player_id=player.player_id,
            device_id=device,
            session_id=session_id,
            platform=player.platform,
            build_version=player.build_version(day_of(us)),
            country=player.country,
            environment=player.environment,
        )

    def _note(self, life: _Life, start_us: int, steps: Sequence[Step], encoded: Sequence[bytes]) -> None:
        """Remember purchases that may be refunded, and plant an id collision now and then."""
        for (offset_ms, name, properties), event in zip(steps, encoded, strict=True):
            if name == "level_completed":
                self._completed_levels += 1
                if self._completed_levels % self._plan.faults.collision_every == 1:
                    us = start_us + offset_ms * 1_000
                    self.collisions.append((us, len(self.collisions), collide(event)))
            elif name == "purchase" and properties and properties.get("receipt_status") == "valid":
                bought = (start_us, properties["transaction_id"], properties["price_minor"])
                if bought not in life.refundable:
                    life.refundable.append(bought)

    def _refund(self, life: _Life) -> None:
        rng = self._rng
        for bought_us, transaction, price in life.refundable:
            us = bought_us + DAY_US + int(rng.random() * 4 * DAY_US)
            if us >= self._end_us or rng.random() > 0.08:
                continue
            properties = {"transaction_id": transaction, "price_minor": price, "currency": "USD"}
            # Most refunds come from the store's server, some from a client; neither is play.
            self._append_outside_sessions(life.player, us, "refund", properties, by_server=rng.random() < 0.7)
            self.tally.add_refund(us, price)

    def _give_from_server(self, life: _Life) -> None:
        us = life.last_event_us + int(self._rng.random() * 3 * DAY_US)
        if us >= self._end_us:
            return
        properties = {"soft_currency": "coins", "amount": 25, "reason": "gift"}
        self._append_outside_sessions(life.player, us, "economy_source", properties, by_server=True)
        self.tally.add_server_event(us)

    def _append_outside_sessions(
        self, player: Player, us: int, name: str, properties: dict, *, by_server: bool
    ) -> None:
        is_guest = player.player_id is None
        event = self._template(player, player.devices[0] if is_guest or not by_server else None, us, None)
        if by_server:
            event.platform = "server"
        event.event_id, event.event_name = event_id(self._rng), name
        event.created_ts, event.properties = rfc3339(us), properties
        self._good.append((us, len(self._good), encode(event)))

    def requests(self) -> list[Request]:
        """Order everything by time, put copies and collisions a request or two later, and cut into requests."""
        rng = self._rng
        self._good.sort()
        queue: list[tuple[int, int, bytes, bool]] = []
        times = []
        for place, (us, _, event) in enumerate(self._good):
            times.append(us)
            queue.append((place, 0, event, False))
            if rng.random() < self._plan.faults.duplicate_rate:
                self.natural_copies += 1
                queue.append((place + BATCH_EVENTS + rng.randrange(BATCH_EVENTS), 1, event, False))
        queue.extend((_place(times, us) + 2 * BATCH_EVENTS, 2, event, False) for us, _, event in self.collisions)
        queue.extend((_place(times, us), 3, event, True) for us, _, event in self._broken)
        queue.sort()
        return [_request(queue[start : start + BATCH_EVENTS]) for start in range(0, len(queue), BATCH_EVENTS)]


def _place(times: Sequence[int], us: int) -> int:
    return bisect_left(times, us)


def _request(rows: Sequence[tuple[int, int, bytes, bool]]) -> Request:
    return Request(
        events=tuple(event for _, _, event, _ in rows),
        rejected=frozenset(index for index, row in enumerate(rows) if row[3]),
    )
