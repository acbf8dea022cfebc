"""The Dockerfile by its linter and by its text, and the containers' health check against real servers."""

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from telemetry_platform.settings import PROJECT_ROOT

DOCKERFILES = sorted((PROJECT_ROOT / "infra").rglob("Dockerfile*"))
TEXT = (PROJECT_ROOT / "infra/docker/Dockerfile").read_text().replace("\\\n", " ")
HEALTHY = PROJECT_ROOT / "infra/docker/healthy.py"


def copied(stage: str) -> list[tuple[list[str], str]]:
    """Sources and target of every COPY from the build context in a stage."""
    body = re.split(r"^FROM ", TEXT.split(f" AS {stage}\n")[1], flags=re.MULTILINE)[0]
    copies = [line.split()[1:] for line in body.splitlines() if line.startswith("COPY ") and "--from" not in line]
    return [(parts[:-1], parts[-1]) for parts in copies]


def healthy(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HEALTHY), *arguments], capture_output=True, text=True, check=False, timeout=30
    )


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_hadolint_has_nothing_to_say(dockerfile: Path):
    hadolint = Path(sys.executable).with_name("hadolint")
    linted = subprocess.run([str(hadolint), str(dockerfile)], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, "")


def test_there_is_one_image_and_its_base_is_pinned_and_runs_as_another_than_root():
    assert [path.name for path in DOCKERFILES] == ["Dockerfile"]
    bases = re.findall(r"^FROM (\S+) AS (\S+)", TEXT, flags=re.MULTILINE)
    stages = [stage for _, stage in bases]
    outside = [image for image, _ in bases if image not in stages]
    assert len(outside) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", outside[0])
    assert re.findall(r"^USER (\S+)", TEXT.split(" AS runtime")[1], flags=re.MULTILINE) == ["10001:10001"]


def test_packages_come_from_the_lock_by_hash_with_the_uv_of_the_makefile():
    assert "--require-hashes --requirement requirements.lock" in TEXT
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    assert re.search(r"^ARG UV_VERSION=(\S+)", TEXT, re.MULTILINE)[1] == re.search(r"UV_VERSION := (\S+)", makefile)[1]


def test_what_is_copied_exists_and_is_let_into_the_build():
    let_in = {line[1:] for line in (PROJECT_ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for stage in ("packages", "jars", "code", "runtime"):
        for sources, _ in copied(stage):
            for source in sources:
                assert (PROJECT_ROOT / source).exists(), source
                assert any(source == name or source.startswith(f"{name}/") for name in let_in), source


def test_nothing_but_what_is_named_gets_into_the_build():
    lines = [line for line in (PROJECT_ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert not {"!.env", "!.telemetry", "!.git", "!."} & set(lines)


def test_the_files_of_the_jars_stage_are_enough_to_import_the_fetcher(tmp_path: Path):
    for sources, target in copied("jars"):
        (tmp_path / target).mkdir(parents=True, exist_ok=True)
        for source in sources:
            shutil.copy(PROJECT_ROOT / source, tmp_path / target)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import telemetry_platform.local.jars as jars; "
        "assert jars.read_lock(jars.LOCK.read_text()); sys.stdout.write(jars.__file__)"
    )
    # -I leaves out the working directory; the folder goes before the installed package.
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))


class Pages(BaseHTTPRequestHandler):
    """One good page; every other path is not found."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def pages() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_good_page_is_healthy_and_a_missing_one_is_not(pages: str):
    assert healthy(f"{pages}/readyz").returncode == 0
    missing = healthy(f"{pages}/nowhere")
    assert (missing.returncode, missing.stderr) == (1, f"{pages}/nowhere: status 404\n")


def test_any_answer_will_do_when_the_server_has_no_health_page(pages: str):
    assert healthy("--any-status", f"{pages}/nowhere").returncode == 0


def test_a_proxy_of_the_environment_is_not_asked(pages: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert healthy(f"{pages}/readyz").returncode == 0


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_server_that_is_gone_is_not_healthy(scheme: str):
    gone = healthy(f"{scheme}://127.0.0.1:1")
    assert gone.returncode == 1
    assert "no answer" in gone.stderr


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "http://127.0.0.1", "ftp://127.0.0.1:21/"])
def test_an_address_it_cannot_ask_is_refused(url: str):
    assert healthy(url).returncode == 2


@pytest.mark.parametrize(
    ("status", "code"),
    [(health_pb2.HealthCheckResponse.SERVING, 0), (health_pb2.HealthCheckResponse.NOT_SERVING, 1)],
)
def test_a_code_server_is_healthy_once_it_serves(status: int, code: int):
    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    servicer = health.HealthServicer()
    servicer.set("DagsterApi", status)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        assert healthy(f"grpc://127.0.0.1:{port}").returncode == code
    finally:
        server.stop(grace=None).wait()
