"""What lies in the stream's checkpoint, Spark's files and ours, read and written without a JVM."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pyarrow import fs

from telemetry_platform.lake.progress import TopicOffsets, offsets_of_batch, open_checkpoint
from telemetry_platform.settings import Settings

# Ours: Spark leaves files it does not know alone.
_DIRECT = "newest_direct_batch"
_REWOUND = "rewound.json"


@dataclass(frozen=True)
class Rewound:
    """Where a checkpoint that was made by `streaming.rewind` begins, and the version of the table it was made for."""

    starting_offsets: TopicOffsets
    table_version: int


@dataclass(frozen=True)
class Checkpoint:
    """Newest batch that is `committed` (-1 before the first), and the end offsets of the batches still known.

    `newest_direct` is the newest batch whose direct records are in the table, None when none is known.
    """

    query_id: str | None
    committed: int = -1
    ends: Mapping[int, TopicOffsets] = field(default_factory=dict)
    newest_direct: int | None = None
    rewound: Rewound | None = None


def checkpoint_of(settings: Settings) -> str:
    """Folder of the job's checkpoint; one checkpoint, one writer."""
    return f"{settings.checkpoints_dir}/bronze_events"


def read_checkpoint(address: str, *, batches: tuple[int, ...] = ()) -> Checkpoint | None:
    """Read the checkpoint; None when there is none. Of `batches`, and of the committed one, the end offsets too."""
    filesystem, root = open_checkpoint(address)
    committed = max(_batches(filesystem, f"{root}/commits"), default=-1)
    planned = _batches(filesystem, f"{root}/offsets")
    metadata = _text(filesystem, f"{root}/metadata")
    rewound = _text(filesystem, f"{root}/{_REWOUND}")
    if metadata is None and rewound is None and committed == -1:
        return None
    direct = _text(filesystem, f"{root}/{_DIRECT}")
    return Checkpoint(
        query_id=json.loads(metadata)["id"] if metadata else None,
        committed=committed,
        ends={batch: offsets_of_batch(filesystem, root, batch) for batch in {committed, *batches} if batch in planned},
        newest_direct=int(direct) if direct else None,
        rewound=_rewound(json.loads(rewound)) if rewound else None,
    )


def write_newest_direct(address: str, batch_id: int) -> None:
    """Note that a batch's direct records are in the table: nothing else could tell that they are missing from it."""
    filesystem, root = open_checkpoint(address)
    _write(filesystem, f"{root}/{_DIRECT}", str(batch_id))


def write_rewound(address: str, rewound: Rewound) -> None:
    """Make a checkpoint that begins at given offsets of a table that has rows already."""
    filesystem, root = open_checkpoint(address)
    document = {"starting_offsets": rewound.starting_offsets, "table_version": rewound.table_version}
    _write(filesystem, f"{root}/{_REWOUND}", json.dumps(document))


def set_aside(address: str) -> str | None:
    """Move a checkpoint to a name that is free, which is returned; None when there is none."""
    filesystem, root = open_checkpoint(address)
    if filesystem.get_file_info(root).type == fs.FileType.NotFound:
        return None
    parent = root.rpartition("/")[0]
    taken = {info.base_name for info in filesystem.get_file_info(fs.FileSelector(parent))}
    name = root.rpartition("/")[2]
    number = next(number for number in range(1, len(taken) + 2) if f"{name}.before-rewind-{number}" not in taken)
    aside = f"{root}.before-rewind-{number}"
    # Copied, because an object store cannot move a folder.
    fs.copy_files(root, aside, source_filesystem=filesystem, destination_filesystem=filesystem)
    filesystem.delete_dir(root)
    return aside


def _rewound(document: Mapping[str, object]) -> Rewound:
    offsets: dict[str, dict[str, int]] = document["starting_offsets"]  # pyright: ignore[reportAssignmentType]
    return Rewound(
        {topic: {int(partition): offset for partition, offset in parts.items()} for topic, parts in offsets.items()},
        int(document["table_version"]),  # pyright: ignore[reportArgumentType]
    )


def _batches(filesystem: fs.FileSystem, folder: str) -> set[int]:
    entries = filesystem.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    return {int(entry.base_name) for entry in entries if entry.base_name.isdigit()}


def _text(filesystem: fs.FileSystem, path: str) -> str | None:
    if filesystem.get_file_info(path).type != fs.FileType.File:
        return None
    with filesystem.open_input_stream(path) as stream:
        return stream.read().decode()


def _write(filesystem: fs.FileSystem, path: str, text: str) -> None:
    filesystem.create_dir(path.rpartition("/")[0], recursive=True)
    with filesystem.open_output_stream(f"{path}.tmp") as stream:
        stream.write(text.encode())
    filesystem.move(f"{path}.tmp", path)
