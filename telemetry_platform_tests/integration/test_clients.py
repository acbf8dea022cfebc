"""Clients against the real collector and broker: the queue, tail, the documented commands, a browser."""

import functools
import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from telemetry_platform.client import EventQueue, QueueCounts, QueueOptions
from telemetry_platform.games.keys import GameKeys
from telemetry_platform.games.registry import add_game, local_keys
from telemetry_platform.lake.topics import end_offsets
from telemetry_platform.local import stack
from telemetry_platform.local.environment import environment_of
from telemetry_platform.settings import EVENTS_TOPIC, PROJECT_ROOT, REJECTED_TOPIC, Settings
from telemetry_platform_tests.integration.test_collector import batch, event, post
from telemetry_platform_tests.integration.topic_records import records_since

GAME = "clients"
ONLY_THE_COLLECTOR = frozenset({"warehouse", "bronze", "dagster"})
DOCS = PROJECT_ROOT / "docs"


@dataclass(frozen=True)
class Site:
    """A running collector with a home of its own, a game, and the command line for it."""

    settings: Settings
    keys: GameKeys

    @property
    def environment(self) -> dict[str, str]:
        home = {"TELEMETRY_HOME": str(self.settings.home), "TELEMETRY_URL": self.settings.collector_url}
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return os.environ | environment_of(self.settings) | home | {"PATH": programs}

    def event_ids(self, start: dict[int, int]) -> Counter[str]:
        return Counter(
            json.loads(one.value())["event_id"] for one in records_since(self.settings.kafka, EVENTS_TOPIC, start)
        )


@pytest.fixture(scope="module")
def site(new_settings: Any, broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = new_settings(tmp_path_factory.mktemp("clients"), TELEMETRY_KAFKA=broker)
    keys = add_game(settings, GAME, None)
    stack.up(settings, without=ONLY_THE_COLLECTOR)
    yield Site(settings, keys)
    stack.down(settings)


def fenced(document: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / document).read_text(), re.MULTILINE | re.DOTALL)


SENDER = """
import sys
from telemetry_platform.client import EventQueue, QueueOptions
url, key, spool = sys.argv[1:]
queue = EventQueue(url, key, spool=spool, options=QueueOptions(batch_events=20, flush_interval_seconds=0.05))
while True:
    ids = [queue.track("heartbeat", player_id="p-1") for _ in range(50)]
    queue.flush(0)
    # What is printed was durable before.
    print("\\n".join(ids), flush=True)
"""


def test_kill_9_of_a_sender_and_of_the_collector_lose_nothing_that_was_durable(site: Site, tmp_path: Path):
    start = end_offsets(site.settings.kafka)[EVENTS_TOPIC]
    spool, promised = tmp_path / "spool", tmp_path / "promised"
    for number in range(2):
        with promised.open("a") as out:
            sender = subprocess.Popen(
                [sys.executable, "-c", SENDER, site.settings.collector_url, site.keys.write_key, str(spool)],
                stdout=out,
                env=site.environment,
                cwd=PROJECT_ROOT,
            )
            deadline = time.monotonic() + 30
            while promised.stat().st_size < 37 * 500 * (number + 1):
                assert sender.poll() is None
                assert time.monotonic() < deadline, f"{promised.stat().st_size} bytes of ids in 30 s"
                time.sleep(0.01)
            if number == 1:
                (collector,) = (one for one in stack.status(site.settings) if one.name == "collector")
                assert collector.pid is not None
                os.kill(collector.pid, signal.SIGKILL)
            sender.send_signal(signal.SIGKILL)
            sender.wait(20)
    stack.up(site.settings, without=ONLY_THE_COLLECTOR)
    with EventQueue(site.settings.collector_url, site.keys.write_key, spool=spool) as queue:
        assert queue.flush(60)
        assert queue.counts.waiting == queue.counts.dropped == queue.counts.refused == 0
    ids = promised.read_text().split("\n")[:-1]
    arrived = site.event_ids(start)
    assert len(set(ids)) >= 1000
    assert set(ids) - set(arrived) == set()


def test_events_of_an_outage_arrive_once_the_collector_is_back(site: Site, tmp_path: Path):
    start = end_offsets(site.settings.kafka)[EVENTS_TOPIC]
    options = QueueOptions(batch_events=50, first_pause_seconds=0.05, longest_pause_seconds=0.5)
    with EventQueue(
        site.settings.collector_url, site.keys.write_key, spool=tmp_path / "spool", options=options
    ) as queue:
        ids = [queue.track("heartbeat", player_id="p-1") for _ in range(100)]
        assert queue.flush(30)
        stack.down(site.settings)
        ids += [queue.track("heartbeat", player_id="p-1") for _ in range(400)]
        assert not queue.flush(1)
        stack.up(site.settings, without=ONLY_THE_COLLECTOR)
        assert queue.flush(60)
        assert queue.counts == QueueCounts(tracked=500, accepted=500)
    assert site.event_ids(start) == Counter(ids)


def test_the_documented_curl_commands_work(site: Site, tmp_path: Path):
    starts = end_offsets(site.settings.kafka)
    script = "\n".join(["set -euo pipefail", *(f"{block}\necho" for block in fenced("send-events.md", "bash"))])
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=site.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line]
    assert answers[:2] == [{"accepted": 1, "rejected": []}] * 2
    assert answers[2]["rejected"][0]["errors"][0]["pointer"] == "/properties/level"
    assert answers[3]["title"] == "level_started"
    sent = json.loads((tmp_path / "event.json.bak").read_text())["events"][0]["event_id"]
    assert site.event_ids(starts[EVENTS_TOPIC]) == {sent: 2}


def test_the_documented_python_client_works(site: Site, tmp_path: Path):
    start = end_offsets(site.settings.kafka)[EVENTS_TOPIC]
    (example,) = fenced("send-events.md", "python")
    script = (
        f"write_key = {site.keys.write_key!r}\n{example.replace('http://127.0.0.1:8080', site.settings.collector_url)}"
    )
    environment = site.environment | {"PYTHONPATH": str(PROJECT_ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True, capture_output=True
    )
    assert done.stdout == b""
    (record,) = records_since(site.settings.kafka, EVENTS_TOPIC, start)
    assert json.loads(record.value())["properties"]["price_minor"] == 499


@pytest.fixture
def pages() -> Iterator[str]:
    """Address of a server of the examples, of another origin than the collector."""
    handler = functools.partial(QuietPages, directory=str(DOCS / "examples"))
    listener = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{listener.server_port}"
    listener.shutdown()
    thread.join()
    listener.server_close()


class QuietPages(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def chromium() -> str:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed, and CI is set")
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    return program


def browse(address: str, profile: Path) -> dict[str, Any]:
    """What a page says once it is done."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    options += ["--disable-background-networking", f"--user-data-dir={profile}", "--virtual-time-budget=4000"]
    done = subprocess.run(
        [chromium(), *options, "--dump-dom", address], capture_output=True, text=True, timeout=120, check=False
    )
    shown = re.search(r'<pre id="outcome">(.*?)</pre>', done.stdout, re.DOTALL)
    assert shown is not None, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert shown[1].startswith("{"), f"the page says {shown[1]!r}\n{done.stderr[-2000:]}"
    return json.loads(shown[1])


def test_a_page_of_another_origin_sends_its_events_and_forgets_them(site: Site, pages: str, tmp_path: Path):
    start = end_offsets(site.settings.kafka)[EVENTS_TOPIC]
    query = urllib.parse.urlencode({"url": site.settings.collector_url, "key": site.keys.write_key, "player": "p-web"})
    said = browse(f"{pages}/browser.html?{query}", tmp_path)
    assert (said["waiting"], said["rejected"]) == (0, [])
    arrived = [json.loads(record.value()) for record in records_since(site.settings.kafka, EVENTS_TOPIC, start)]
    assert {one["event_id"] for one in arrived} == set(said["sent"])
    (level,) = (one for one in arrived if one["event_name"] == "level_started")
    assert level["properties"] == {"level": "L1 – “Überall”"}
    assert (level["player_id"], level["platform"]) == ("p-web", "web")


def test_a_page_keeps_what_it_cannot_send_for_its_next_visit(site: Site, pages: str, tmp_path: Path):
    start = end_offsets(site.settings.kafka)[EVENTS_TOPIC]
    away = urllib.parse.urlencode({"url": "http://127.0.0.1:9", "key": site.keys.write_key})
    query = urllib.parse.urlencode({"url": site.settings.collector_url, "key": site.keys.write_key})
    first = browse(f"{pages}/browser.html?{away}", tmp_path)
    assert first["waiting"] == 2
    second = browse(f"{pages}/browser.html?{query}", tmp_path)
    assert second["waiting"] == 0
    assert site.event_ids(start) == Counter([*first["sent"], *second["sent"]])


class Watching:
    """`telemetry tail` in a process of its own; its lines are read as they come."""

    def __init__(self, site: Site, *options: str) -> None:
        program = str(Path(sys.executable).with_name("telemetry"))
        self.process = subprocess.Popen(
            [program, "tail", "--game", GAME, *options],
            env=site.environment,
            cwd=PROJECT_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ, bytearray())
        self.selector.register(self.process.stderr, selectors.EVENT_READ, bytearray())

    def read(self, seconds: float) -> tuple[str, str]:
        """All of stdout and stderr so far, after waiting up to `seconds` for more."""
        for key, _ in self.selector.select(seconds):
            key.data.extend(os.read(key.fd, 65536))
        out, err = (key.data.decode() for key in self.selector.get_map().values())
        return out, err

    def wait_for(self, text: str, seconds: float = 30) -> str:
        deadline = time.monotonic() + seconds
        while text not in "".join(self.read(0.2)):
            assert time.monotonic() < deadline, f"{text!r} is not in {self.read(0)}"
        return self.read(0)[0]

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=20)
        return self.process.returncode


def test_tail_shows_events_and_rejects_as_they_arrive_and_how_to_send_one(site: Site):
    other = add_game(site.settings, "other", None)
    watching = Watching(site)
    watching.wait_for(f"Waiting for events of {GAME}. Send one", 60)
    # Control characters are refused; what turns the line round is none.
    evil = event(
        player_id="p-\u202e[31m\u061c7", event_name="level_started", properties={"level": "L1", "tags": [1, "a"]}
    )
    broken = event(event_name="level_started", properties={"level": []})
    post(site.settings, "/v1/events", other.write_key, batch(event(player_id="elsewhere")))
    post(site.settings, "/v1/events", site.keys.write_key, batch(evil, broken))
    watching.wait_for("level=L1")
    shown = watching.wait_for("REJECTED")
    accepted, rejected = sorted(shown.splitlines(), key=lambda one: "REJECTED" in one)
    assert re.fullmatch(r'\d\d:\d\d:\d\d\.\d{3}  level_started +p-·\[31m·7 +level=L1 tags=\[1, "a"\]', accepted)
    assert "REJECTED schema_violation: /properties/level: " in rejected
    assert broken["event_id"] in rejected
    assert "elsewhere" not in shown
    assert watching.end() == 0


def test_tail_from_the_start_as_json_and_rejects_only(site: Site):
    broken = event(event_name="nothing_known")
    sent = event(player_id=f"p-{uuid.uuid4()}")
    post(site.settings, "/v1/events", site.keys.write_key, batch(sent, broken))
    everything = Watching(site, "--from-start", "--json")
    lines = [json.loads(one) for one in everything.wait_for(sent["player_id"]).splitlines()]
    (found,) = (one for one in lines if one.get("player_id") == sent["player_id"])
    assert (found["kind"], found["event_id"], found["game_id"]) == ("event", sent["event_id"], GAME)
    assert everything.end() == 0
    rejects = Watching(site, "--from-start", "--json", "--rejects-only")
    lines = [json.loads(one) for one in rejects.wait_for(broken["event_id"]).splitlines()]
    assert {one["kind"] for one in lines} == {"reject"}
    (found,) = (one for one in lines if one["event_id"] == broken["event_id"])
    assert json.loads(found["original"]) == broken
    assert found["error_type"] == "unknown_event"
    assert rejects.end() == 0


def test_an_import_is_accounted_for_and_a_second_one_sends_it_again(site: Site, tmp_path: Path):
    program = str(Path(sys.executable).with_name("telemetry"))
    starts = end_offsets(site.settings.kafka)
    sent = [event(created_ts="2024-03-10T12:00:00Z") for _ in range(3)]
    file = tmp_path / "past.jsonl"
    file.write_text("\n".join([*(json.dumps(one) for one in sent), '{"nan":NaN}', "7"]))
    for _ in range(2):
        done = subprocess.run(
            [program, "import", str(file), "--game", GAME, "--json"],
            env=site.environment,
            cwd=PROJECT_ROOT,
            capture_output=True,
            check=True,
        )
        summary = json.loads(done.stdout)
        assert (summary["read"], summary["accepted"]) == (5, 3)
        assert summary["rejected"] == {"number_not_finite": 1, "unreadable_event": 1}
    assert site.event_ids(starts[EVENTS_TOPIC]) == {one["event_id"]: 2 for one in sent}
    rejects = records_since(site.settings.kafka, REJECTED_TOPIC, starts[REJECTED_TOPIC])
    assert [one.value() for one in rejects] == [b'{"nan":NaN}'] * 2
    assert local_keys(site.settings, GAME) == site.keys
