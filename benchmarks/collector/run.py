"""Events per CPU-second of the collector, against the same server that only forwards bytes.

python -m benchmarks.collector.run --seconds 4 --rounds 5 --json result.json
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.collector.load import LoadGenerator
from benchmarks.collector.payloads import PAYLOADS, Payload, body_of, requests
from telemetry_platform.games.registry import add_game
from telemetry_platform.local import stack
from telemetry_platform.settings import Settings
from telemetry_platform_tests.integration.own_stack import (
    free_ports,
    running_collector,
    running_server,
    settings_on_free_ports,
)

GAME = "benchmark"
# No quota decides here: the limit is the CPU.
ENTRY = "name: Benchmark\nquota: {events_per_second: 100000000, bytes_per_second: 100000000000}\n"
WARM_UP_SECONDS = 1.0
CONNECTIONS = {1: 128, 100: 32, 1000: 8}
OPEN_LOOP_CONNECTIONS = 256
TARGETS = ("collector", "forward-events", "forward-body")
OTHERS = frozenset({"warehouse", "bronze", "dagster", "collector"})


@dataclass(frozen=True)
class Server:
    """One process under test."""

    target: str
    pid: int
    port: int
    key: str


@dataclass(frozen=True)
class Sample:
    """One window at full load; CPU seconds are user and system of all threads of the process."""

    target: str
    payload: str
    round: int
    events_per_cpu_second: float
    events_per_second: float
    requests_per_second: float
    server_cpu_share: float
    generator_cpu_share: float


@dataclass(frozen=True)
class Latency:
    """One window at half of the highest load; milliseconds from the moment a request was due."""

    target: str
    payload: str
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    worst_ms: float


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process, all its threads, to the nanosecond: Linux has a clock for every process."""
    return time.clock_gettime((~pid << 3) | 2)


@contextmanager
def servers(settings: Settings, targets: Sequence[str]) -> Iterator[list[Server]]:
    """Run one process for each target, over one broker."""
    entry = settings.home / "entry.yaml"
    settings.home.mkdir(parents=True, exist_ok=True)
    entry.write_text(ENTRY)
    key = add_game(settings, GAME, entry).write_key
    with ExitStack() as running:
        running.callback(stack.down, settings)
        stack.up(settings, without=OTHERS)
        yield [_start(settings, target, key, running) for target in targets]


def _start(settings: Settings, target: str, key: str, running: ExitStack) -> Server:
    if target == "collector":
        return Server(target, running.enter_context(running_collector(settings)), settings.collector_port, key)
    (port,) = free_ports(1)
    mode = target.removeprefix("forward-")
    command = [sys.executable, "-m", "benchmarks.collector.forwarder", mode]
    command += ["--port", str(port), "--kafka", settings.kafka]
    url, log = f"http://127.0.0.1:{port}/", settings.logs_dir / f"{target}.log"
    return Server(target, running.enter_context(running_server(settings, command, url, log=log)), port, key)


def measure(server: Server, payload: Payload, seconds: float, *, number: int) -> Sample:
    """Load one server fully for `seconds`, after a warm-up."""
    made = requests(payload, server.key)
    with LoadGenerator(server.port, made, connections=CONNECTIONS[payload.events]) as load:
        load.saturate(WARM_UP_SECONDS)
        cpu, own = cpu_seconds(server.pid), time.process_time()
        window = load.saturate(seconds)
        cpu, own = cpu_seconds(server.pid) - cpu, time.process_time() - own
    events = window.requests * payload.events
    return Sample(
        server.target,
        payload.name,
        number,
        events / cpu,
        events / window.seconds,
        window.requests / window.seconds,
        cpu / window.seconds,
        own / window.seconds,
    )


def measure_latency(server: Server, payload: Payload, rate: float, seconds: float) -> Latency:
    """Send `rate` requests a second for `seconds`, after a warm-up."""
    with LoadGenerator(server.port, requests(payload, server.key), connections=OPEN_LOOP_CONNECTIONS) as load:
        load.pace(rate, WARM_UP_SECONDS)
        window = load.pace(rate, seconds)
    return Latency(
        server.target,
        payload.name,
        window.requests / window.seconds,
        window.latency_ms(0.5),
        window.latency_ms(0.99),
        window.latency_ms(1),
    )


def run(chosen: argparse.Namespace, console: Console) -> tuple[list[Sample], list[Latency]]:
    """Measure every target with every payload, in rounds: whatever else the machine does meets all of them."""
    payloads = [payload for payload in PAYLOADS if not chosen.payloads or payload.name in chosen.payloads]
    samples: list[Sample] = []
    latencies: list[Latency] = []
    with tempfile.TemporaryDirectory() as home, servers(settings_on_free_ports(Path(home)), chosen.targets) as found:
        for number in range(chosen.rounds):
            # Nobody is always first.
            order = found[number % len(found) :] + found[: number % len(found)]
            samples += [
                measure(server, payload, chosen.seconds, number=number) for payload in payloads for server in order
            ]
            console.log(f"round {number + 1} of {chosen.rounds}")
        console.print(throughput_table(samples))
        for payload in payloads:
            for server in found:
                highest = statistics.median(_rates(samples, server.target, payload.name))
                latencies.append(measure_latency(server, payload, highest / 2, chosen.latency_seconds))
        console.print(latency_table(latencies))
    return samples, latencies


def _rates(samples: list[Sample], target: str, payload: str) -> list[float]:
    return [s.requests_per_second for s in samples if (s.target, s.payload) == (target, payload)]


def throughput_table(samples: list[Sample]) -> Table:
    """Show events per CPU-second: median, least and most over the rounds, and the share of each yardstick."""
    table = Table(title="At full load; CPUs of the server and of the load generator", title_justify="left")
    table.add_column("request", no_wrap=True)
    table.add_column("bytes", justify="right")
    table.add_column("server")
    for column in (
        "events per CPU-s",
        "least",
        "most",
        *(f"× {target.removeprefix('forward-')}" for target in TARGETS[1:]),
    ):
        table.add_column(column, justify="right")
    for column in ("events/s", "CPUs", "generator"):
        table.add_column(column, justify="right")
    for payload in PAYLOADS:
        for target in TARGETS:
            mine = [s for s in samples if (s.target, s.payload) == (target, payload.name)]
            if not mine:
                continue
            figures = [s.events_per_cpu_second for s in mine]
            shares = [_share(samples, mine, yardstick) for yardstick in TARGETS[1:]]
            numbers = [statistics.median(figures), min(figures), max(figures)]
            table.add_row(
                payload.name,
                f"{len(body_of(payload)):,}",
                target,
                *(f"{number:,.0f}" for number in numbers),
                *shares,
                f"{statistics.median(s.events_per_second for s in mine):,.0f}",
                f"{statistics.median(s.server_cpu_share for s in mine):.2f}",
                f"{statistics.median(s.generator_cpu_share for s in mine):.2f}",
            )
    return table


def _share(samples: list[Sample], mine: list[Sample], yardstick: str) -> str:
    """Return the median over the rounds of the ratio to the yardstick's figure of the same round."""
    others = {
        s.round: s.events_per_cpu_second for s in samples if (s.target, s.payload) == (yardstick, mine[0].payload)
    }
    ratios = [s.events_per_cpu_second / others[s.round] for s in mine if s.round in others]
    return f"{statistics.median(ratios):.2f}" if ratios else ""


def latency_table(latencies: list[Latency]) -> Table:
    """Show what a request waits at half load."""
    table = Table(title="At half of the highest load, open loop", title_justify="left")
    for column in ("request", "server"):
        table.add_column(column)
    for column in ("requests/s", "p50 ms", "p99 ms", "worst ms"):
        table.add_column(column, justify="right")
    for found in latencies:
        figures = (found.requests_per_second, found.p50_ms, found.p99_ms, found.worst_ms)
        table.add_row(found.payload, found.target, *(f"{figure:,.1f}" for figure in figures))
    return table


def main() -> None:
    """Measure, show tables, and write every sample to a file when asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, help="length of each window at full load")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency-seconds", type=float, default=10, help="length of each window at half load")
    parser.add_argument("--payloads", nargs="*", choices=[payload.name for payload in PAYLOADS], default=[])
    parser.add_argument("--targets", nargs="*", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--json", type=Path, help="file for every sample")
    chosen = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    samples, latencies = run(chosen, console)
    if chosen.json is not None:
        document = {"samples": [asdict(s) for s in samples], "latencies": [asdict(found) for found in latencies]}
        chosen.json.write_text(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
