"""How far the streaming job has come: offsets read from its checkpoint, without a JVM."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pyarrow import fs

TopicOffsets = dict[str, dict[int, int]]


@dataclass(frozen=True)
class Progress:
    """The newest committed batch: its number, the next offset per topic partition, and its time (UTC)."""

    batch_id: int
    next_offsets: TopicOffsets
    committed_ts: datetime


def committed_progress(checkpoint: str) -> Progress | None:
    """Read the newest batch whose commit is in `checkpoint`; None before the first."""
    filesystem, root = open_checkpoint(checkpoint)
    commits = filesystem.get_file_info(fs.FileSelector(f"{root}/commits", allow_not_found=True))
    done = {int(entry.base_name): entry for entry in commits if entry.base_name.isdigit()}
    if not done:
        return None
    newest = max(done)
    mtime = done[newest].mtime or datetime.fromtimestamp(0, UTC)
    return Progress(
        batch_id=newest,
        next_offsets=offsets_of_batch(filesystem, root, newest),
        committed_ts=mtime.astimezone(UTC),
    )


def open_checkpoint(checkpoint: str) -> tuple[fs.FileSystem, str]:
    """File system of a checkpoint, and its path there."""
    return fs.FileSystem.from_uri(_uri(checkpoint))


def offsets_of_batch(filesystem: fs.FileSystem, root: str, batch_id: int) -> TopicOffsets:
    """Offsets at which a planned batch ends: the first ones after it."""
    with filesystem.open_input_stream(f"{root}/offsets/{batch_id}") as stream:
        # A version line, the batch's metadata, then one line per source.
        lines = stream.read().decode().splitlines()
    offsets: Mapping[str, Mapping[str, int]] = json.loads(lines[2])
    return {topic: {int(p): int(o) for p, o in parts.items()} for topic, parts in offsets.items()}


def lag(ends: TopicOffsets, progress: Progress | None) -> int:
    """Records that are in the topics (`ends`: end offset per partition) and not yet in bronze."""
    done = progress.next_offsets if progress else {}
    return sum(
        max(0, end - done.get(topic, {}).get(partition, 0))
        for topic, partitions in ends.items()
        for partition, end in partitions.items()
    )


def _uri(address: str) -> str:
    # as_uri escapes what a folder's name may hold, such as a space.
    return address.replace("s3a://", "s3://") if "://" in address else Path(address).absolute().as_uri()
