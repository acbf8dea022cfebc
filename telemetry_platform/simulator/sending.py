"""Send a planned run through the collector and hold its answers against what was planted."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from telemetry_platform.client import Answer, TelemetryClient
from telemetry_platform.errors import VerificationError
from telemetry_platform.games.registry import local_keys
from telemetry_platform.settings import Settings
from telemetry_platform.simulator.run import Request, Run

Report = Callable[[int, int], None]
"""Progress: events sent so far, events in all."""


@dataclass(frozen=True)
class SendSummary:
    """What the collector answered to one run; `natural_copies` and `id_collisions` are as planted."""

    run_id: str
    kind: str
    game_id: str
    requests: int
    accepted: int
    rejected: int
    natural_copies: int
    id_collisions: int
    times_sent: int
    wall_seconds: float
    cpu_seconds: float


def send(run: Run, settings: Settings, report: Report | None = None) -> SendSummary:
    """Send `run` over one connection and check every answer.

    Raises VerificationError when the collector rejects something other than the events planted as
    broken, and CollectorError when it cannot be reached.
    """
    keys = local_keys(settings, run.manifest.game_id)
    key = keys.import_key if run.manifest.kind == "history" else keys.write_key
    client = TelemetryClient(settings.collector_url, key, path=run.path)
    accepted = rejected = done = 0
    wall, cpu = time.perf_counter(), time.thread_time()
    for number, request in enumerate(run.requests):
        answer = client.send(request.events, sent_ts=_sent_ts(run, request))
        _check(run, number, request, answer)
        accepted += answer.accepted
        rejected += len(answer.rejected)
        done += len(request.events)
        if report:
            report(done, run.event_total)
    return SendSummary(
        run_id=run.run_id,
        kind=run.manifest.kind,
        game_id=run.manifest.game_id,
        requests=len(run.requests),
        accepted=accepted,
        rejected=rejected,
        natural_copies=run.manifest.totals.natural_copies,
        id_collisions=run.manifest.totals.id_collisions,
        times_sent=run.manifest.times_sent,
        wall_seconds=time.perf_counter() - wall,
        cpu_seconds=time.thread_time() - cpu,
    )


def _sent_ts(run: Run, request: Request) -> datetime | None:
    """Time of this attempt on the sender's clock; imported history has none."""
    if run.manifest.kind == "history":
        return None
    return datetime.now(UTC) + request.clock_offset


def _check(run: Run, number: int, request: Request, answer: Answer) -> None:
    refused = {rejection.index for rejection in answer.rejected}
    if refused == request.rejected and answer.accepted == len(request.events) - len(request.rejected):
        return
    surprises = [rejection for rejection in answer.rejected if rejection.index not in request.rejected]
    reason = f"; first surprise: {surprises[0].error_type}: {surprises[0].error_message}" if surprises else ""
    missed = sorted(request.rejected - refused)
    raise VerificationError(
        f"{run.run_id}, request {number}: the collector accepted {answer.accepted} of {len(request.events)} events, "
        f"refused {len(surprises)} good ones and let {len(missed)} broken ones through{reason}."
    )
