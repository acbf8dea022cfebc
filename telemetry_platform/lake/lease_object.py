"""A lease on object storage: one object an epoch, of which only one process can be the creator.

`<lake>/_leases/<table>/<epoch>.json` is created with `If-None-Match: *`. Its owner rewrites it while it lives; when it
has not done so for the lease's seconds, or says that it has ended, the next one creates the following epoch. How old
an object is the server says, by its own clock: those of two hosts may differ. An owner that was paused finds the newer
epoch when it looks, which it does before each commit.

What remains: between that look and the end of a commit a process can be paused for longer than the lease lasts. Only a
log store whose put-if-absent is atomic closes that gap.
"""

import json
import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from telemetry_platform.errors import LakeError, LeaseLost
from telemetry_platform.lake.lease_store import Lease, Owner

log = logging.getLogger(__name__)

# Epochs that stay behind the newest one, so that a process which listed them long ago cannot create one of them again.
KEPT_EPOCHS = 20
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}
_TIMEOUTS = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "max_attempts": 3})


@dataclass(frozen=True)
class _Epoch:
    """The newest epoch as the server has it."""

    number: int
    token: str
    owner: Owner | None
    is_held: bool


class LeaseObjects:
    """Keeps a table's lease as objects under one prefix."""

    poll_seconds = 1.0

    def __init__(self, client: Any, bucket: str, prefix: str, *, seconds: float) -> None:
        self.seconds = seconds
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._is_server_known = False

    @classmethod
    def at(cls, root: str, table_name: str, *, seconds: float) -> "LeaseObjects":
        """Leases of a table of the lake at `s3://bucket/...`; address and keys come as the AWS tools take them."""
        scheme, _, rest = root.partition("://")
        if scheme != "s3":
            raise LakeError(
                f"A lake at {scheme}:// has no leases, so two writers could overwrite each other: use s3a:// or a path."
            )
        bucket, _, path = rest.partition("/")
        prefix = "/".join(part for part in (path, "_leases", table_name) if part)
        with _asked(f"s3://{bucket}"):
            client = boto3.client("s3", config=_TIMEOUTS)
        return cls(client, bucket, prefix, seconds=seconds)

    def take(self, what: str) -> Lease | Owner | None:
        """Create the next epoch when nobody holds the newest; else its owner."""
        newest = self.newest()
        if newest is not None and newest.is_held:
            return newest.owner
        number = newest.number + 1 if newest is not None else 1
        taken = _HeldObject(self, Owner.of_this_process(what, number))
        if not self.create(number, taken.record()):
            found = self.newest()
            # A request that was repeated, because its answer got lost, is refused for what it did itself.
            if found is None or found.token != taken.token:
                return found.owner if found is not None else None
        try:
            self._refuse_server_without_conditions(number, taken.record())
            taken.check()
        except LeaseLost:
            return None
        self._remove_before(number - KEPT_EPOCHS)
        taken.keep()
        return taken

    def newest(self) -> _Epoch | None:
        """Read the newest epoch, and whether its owner lives, by the server's clock."""
        keys = self._keys()
        if not keys:
            return None
        with _asked(self._address(keys[-1])):
            answer = self._client.get_object(Bucket=self._bucket, Key=keys[-1])
            text = answer["Body"].read()
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        age_seconds = (now - answer["LastModified"]).total_seconds()
        record = json.loads(text)
        is_held = not record["is_released"] and age_seconds <= record["seconds"]
        return _Epoch(_number(keys[-1]), record["token"], Owner.from_json(text), is_held)

    def create(self, number: int, record: bytes) -> bool:
        """Create an epoch; whether it was not there."""
        key = self._key(number)
        try:
            with _asked(self._address(key)):
                self._client.put_object(Bucket=self._bucket, Key=key, Body=record, IfNoneMatch="*")
        except LakeError as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and cause.response["Error"]["Code"] in _TAKEN:
                return False
            raise
        return True

    def rewrite(self, number: int, record: bytes) -> None:
        """Write an epoch's record anew, which makes it young; only its owner does."""
        key = self._key(number)
        with _asked(self._address(key)):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=record)

    def _refuse_server_without_conditions(self, number: int, record: bytes) -> None:
        """Some servers take the header and ignore it: a lease that always succeeds is none."""
        if not self._is_server_known and self.create(number, record):
            raise LakeError(
                f"{self._address(self._key(number))}: this server ignores If-None-Match, so two writers could hold one "
                "lease. Use a server that has conditional writes."
            )
        self._is_server_known = True

    def _remove_before(self, number: int) -> None:
        for key in self._keys():
            if _number(key) < number:
                with _asked(self._address(key)):
                    self._client.delete_object(Bucket=self._bucket, Key=key)

    def _keys(self) -> list[str]:
        with _asked(self._address(self._prefix)):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=f"{self._prefix}/"
            )
            return sorted(one["Key"] for page in pages for one in page.get("Contents", ()))

    def _key(self, number: int) -> str:
        return f"{self._prefix}/{number:012d}.json"

    def _address(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"


class _HeldObject:
    """An epoch of this process, kept young by a thread of its own."""

    def __init__(self, objects: LeaseObjects, owner: Owner) -> None:
        self.owner = owner
        self.token = uuid.uuid4().hex
        self._objects = objects
        self._written = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease {owner.what}", daemon=True)

    def record(self, *, is_released: bool = False) -> bytes:
        return self.owner.to_json(token=self.token, seconds=self._objects.seconds, is_released=is_released)

    def keep(self) -> None:
        self._thread.start()

    def check(self) -> None:
        """Raise LeaseLost when a newer epoch is there, or so little time is left that one could be during a commit."""
        age_seconds = time.monotonic() - self._written
        self._require_newest()
        if age_seconds > self._objects.seconds * 2 / 3:
            raise LeaseLost(f"The lease for {self.owner.what} was last renewed {age_seconds:.0f} s ago: run it again.")

    def _require_newest(self) -> None:
        newest = self._objects.newest()
        if newest is None or newest.number != self.owner.epoch or newest.token != self.token:
            who = newest.owner if newest is not None else "nobody known"
            raise LeaseLost(f"The lease for {self.owner.what} now belongs to {who}: run it again.")

    def release(self) -> None:
        """Say in the object that its owner has ended; when that fails, its age says so later."""
        self._ended.set()
        self._thread.join()
        try:
            self._require_newest()
            self._objects.rewrite(self.owner.epoch, self.record(is_released=True))
        except LakeError as error:
            log.warning("event=lease_not_released reason=%s", error)

    def abandon(self) -> None:
        """Nothing is open, and the thread is not in the child."""

    def _renew(self) -> None:
        while not self._ended.wait(self._objects.seconds / 3):
            started = time.monotonic()
            try:
                self._require_newest()
                self._objects.rewrite(self.owner.epoch, self.record())
                self._written = started
            except LeaseLost as error:
                log.error("event=lease_lost reason=%s", error)
                return
            except LakeError as error:
                log.warning("event=lease_not_renewed reason=%s", error)


def _number(key: str) -> int:
    return int(key.rsplit("/", 1)[1].removesuffix(".json"))


@contextmanager
def _asked(address: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise LakeError(
            f"{address} cannot be used: {error}. Check AWS_ENDPOINT_URL, the region and the keys."
        ) from error
