"""Whether `bronze.events` and the stream's checkpoint fit together.

Each batch commits to the table, naming query and batch, before the checkpoint commits it, also when it has no rows. So
the table's newest transaction of the query is the checkpoint's newest commit, or the one after it when the process was
killed in between. Anything else means that one of the two was restored, removed or exchanged: going on would skip
records for good, at lag 0, or write them twice.
"""

from dataclasses import dataclass

from deltalake import DeltaTable

from streaming.checkpoint import Checkpoint, checkpoint_of, read_checkpoint
from telemetry_platform.contracts.tables.bronze_events import BRONZE_EVENTS
from telemetry_platform.errors import LakeError
from telemetry_platform.lake.log import open_table
from telemetry_platform.lake.progress import TopicOffsets
from telemetry_platform.settings import Settings

WAY_OUT = (
    "Restore the one that fits the other, from the same backup, or make a checkpoint that fits the table with "
    "`python -m streaming.rewind`: streaming/README.md, 'Rewind'."
)
_SHOWN_PARTITIONS = 8
# Between a RESTORE and the newest rows lie compactions and the like; this many commits of them are looked through.
_COMMITS_LOOKED_AT = 100


@dataclass(frozen=True)
class Written:
    """What the table says: its newest batch of the query, and the newest whose direct records it has (-1: none).

    `restored_at` is the version made by Delta's RESTORE, when no rows were written since: it takes rows back and
    keeps the transactions.
    """

    version: int
    newest: int
    newest_direct: int
    has_rows: bool
    restored_at: int | None = None


def require_agreement(settings: Settings) -> None:
    """Raise LakeError, saying what would be lost or doubled, when table and checkpoint do not fit together."""
    address = checkpoint_of(settings)
    checkpoint = read_checkpoint(address)
    table = open_table(settings.lake, BRONZE_EVENTS.name)
    written = None if table is None else read_written(table, checkpoint)
    if checkpoint is not None and written is not None:
        checkpoint = read_checkpoint(address, batches=(written.newest,)) or checkpoint
    found = disagreement(checkpoint, written)
    if found is not None:
        raise LakeError(f"bronze.events and its checkpoint {address} do not fit together: {found} {WAY_OUT}")


def read_written(table: DeltaTable, checkpoint: Checkpoint | None) -> Written:
    """Read what the table says of the checkpoint's query, from the log's transactions and newest commits alone.

    Only a table that has none of them is asked for its files.
    """
    query = checkpoint.query_id if checkpoint else None
    newest = table.transaction_version(query) if query else None
    direct = table.transaction_version(f"{query}.direct") if query else None
    return Written(
        version=table.version(),
        newest=-1 if newest is None else newest,
        newest_direct=-1 if direct is None else direct,
        # Version 0 only creates the table.
        has_rows=newest is not None or (table.version() > 0 and table.get_add_actions().num_rows > 0),
        restored_at=_restored_at(table),
    )


def _restored_at(table: DeltaTable) -> int | None:
    for commit in table.history(_COMMITS_LOOKED_AT):
        if commit.get("operation") == "RESTORE":
            return int(commit["version"])
        if commit.get("operation") == "WRITE":
            return None
    return None


def disagreement(checkpoint: Checkpoint | None, written: Written | None) -> str | None:
    """Say what would be lost or doubled if the stream went on, with the numbers of both; None when nothing would."""
    if checkpoint is None:
        return _without_checkpoint(written)
    if checkpoint.query_id is None and checkpoint.committed >= 0:
        return f"the checkpoint has committed batch {checkpoint.committed}, but its file `metadata` is missing."
    if written is None or written.newest == -1:
        return _without_transaction(checkpoint, written)
    if written.restored_at is not None:
        return (
            f"the table was taken back by RESTORE in version {written.restored_at}. Delta keeps the transactions "
            f"then: the table says batch {written.newest} and the checkpoint {checkpoint.committed}, whatever is gone."
        )
    return _between_numbers(checkpoint, written)


def _without_checkpoint(written: Written | None) -> str | None:
    if written is None or not written.has_rows:
        return None
    return "the table has rows, and the checkpoint has no commit. Starting now would write every Kafka record again."


def _without_transaction(checkpoint: Checkpoint, written: Written | None) -> str | None:
    if checkpoint.committed >= 0:
        state = "is not there" if written is None else f"has no batch of its query {checkpoint.query_id}"
        return (
            f"the checkpoint has committed batch {checkpoint.committed}, and the table {state}. Going on would lose "
            f"the records before {_places(checkpoint.ends.get(checkpoint.committed, {}))}."
        )
    if written is None or not written.has_rows:
        return None
    if checkpoint.rewound is not None and written.version >= checkpoint.rewound.table_version:
        return None
    if checkpoint.rewound is not None:
        return (
            f"the checkpoint was rewound for version {checkpoint.rewound.table_version} of the table, which is at "
            f"version {written.version}. Going on would lose what was between them."
        )
    return _without_checkpoint(written)


def _between_numbers(checkpoint: Checkpoint, written: Written) -> str | None:
    numbers = f"the table's newest batch is {written.newest}, and the checkpoint has committed {checkpoint.committed}."
    there, done = checkpoint.ends.get(written.newest), checkpoint.ends.get(checkpoint.committed, {})
    if written.newest < checkpoint.committed:
        lost = _ranges(there, done) if there is not None else f"records up to {_places(done)}"
        return f"{numbers} Going on would lose {lost}."
    # A batch that was planned is repeated within its bounds, and the table knows it.
    is_repeated = written.newest == checkpoint.committed + 1 and there is not None
    if written.newest > checkpoint.committed and not is_repeated:
        skipped = _ranges(done, there) if there is not None else f"records from {_places(done) or 'the first one'} on"
        return (
            f"{numbers} Going on would plan batch {checkpoint.committed + 1} anew, take it for written, and lose or "
            f"double {skipped}."
        )
    if checkpoint.newest_direct is not None and written.newest_direct < checkpoint.newest_direct:
        return (
            f"the table's newest batch of direct records is {written.newest_direct}, and the checkpoint knows of "
            f"{checkpoint.newest_direct}. Going on would lose the direct ones among {_places(done)}."
        )
    return None


def _places(offsets: TopicOffsets) -> str:
    return _listed([f"{topic}-{partition}@{at}" for topic, parts in offsets.items() for partition, at in parts.items()])


def _ranges(start: TopicOffsets, end: TopicOffsets) -> str:
    ranges = []
    for topic, partitions in end.items():
        for partition, after in partitions.items():
            first = start.get(topic, {}).get(partition, 0)
            if first < after:
                ranges.append(f"{topic}-{partition}@{first}..{after - 1}")
    return _listed(ranges) or "no record"


def _listed(parts: list[str]) -> str:
    more = len(parts) - _SHOWN_PARTITIONS
    return ", ".join(parts[:_SHOWN_PARTITIONS]) + (f" and {more} more partitions" if more > 0 else "")
