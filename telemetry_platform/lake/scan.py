"""The rows of a snapshot's files, read with pyarrow: streamed, or as a dataset that opens what a query asks for."""

from collections.abc import Iterator
from datetime import date
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from deltalake import Schema

from telemetry_platform.errors import LakeError
from telemetry_platform.lake.actions import AddedFile
from telemetry_platform.lake.log_folder import LogFolder
from telemetry_platform.lake.snapshot import Snapshot

_ROWS_AT_ONCE = 20_000
# Read through a buffer, a row group is never held whole, however large its writer made it.
_BUFFER = 1 << 20


def batches(folder: LogFolder, snapshot: Snapshot, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Stream a snapshot's rows in the columns of `schema`; a column that a file does not have is NULL in it."""
    for file in snapshot.files:
        values = {name: file.partition_values.get(name) for name in snapshot.meta_data.partition_columns}
        with _opened(folder, file) as source:
            part = pq.ParquetFile(source, buffer_size=_BUFFER, pre_buffer=False)
            there = [name for name in schema.names if name in part.schema_arrow.names and name not in values]
            for batch in part.iter_batches(_ROWS_AT_ONCE, columns=there):
                columns = [_column(batch, field, values) for field in schema]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)


def schema_of_snapshot(snapshot: Snapshot) -> pa.Schema:
    """The table's own columns, in Arrow's types."""
    return pa.schema(Schema.from_json(snapshot.meta_data.schema_string).to_arrow())


def dataset(folder: LogFolder, snapshot: Snapshot) -> ds.Dataset:
    """A snapshot's files as a dataset in the table's own schema; partition values keep a query from opening files."""
    schema = schema_of_snapshot(snapshot)
    partitions: dict[tuple[str | None, ...], ds.Expression] = {}
    names = [name for name in snapshot.meta_data.partition_columns if name in schema.names]
    guarantees = []
    for file in snapshot.files:
        key = tuple(file.partition_values.get(name) for name in names)
        if key not in partitions:
            partitions[key] = _guarantee(schema, dict(zip(names, key, strict=True)))
        guarantees.append(partitions[key])
    return ds.FileSystemDataset.from_paths(
        [_path(folder, file) for file in snapshot.files],
        schema=schema,
        format=ds.ParquetFileFormat(),
        filesystem=folder.filesystem,
        partitions=guarantees,
    )


def _opened(folder: LogFolder, file: AddedFile) -> pa.NativeFile:
    try:
        return folder.filesystem.open_input_file(_path(folder, file))
    except FileNotFoundError as error:
        raise LakeError(
            f"{folder.address}: {file.path} was removed while the table was read: VACUUM keeps files for too short a "
            "time, or the file was deleted by hand. Read again."
        ) from error


def _column(batch: pa.RecordBatch, field: pa.Field, values: dict[str, str | None]) -> pa.Array:
    if field.name in values:
        return pa.repeat(_partition_scalar(values[field.name], field.type), batch.num_rows)
    if field.name not in batch.schema.names:
        return pa.nulls(batch.num_rows, field.type)
    return batch.column(field.name).cast(field.type)


def _guarantee(schema: pa.Schema, values: dict[str, str | None]) -> ds.Expression:
    """What holds for each row of a partition; a value that is NULL is given by the missing column itself."""
    holds = pc.scalar(True)
    for name, value in values.items():
        scalar = _partition_scalar(value, schema.field(name).type)
        holds &= pc.field(name) == scalar if scalar.is_valid else pc.field(name).is_null()
    return holds


def _partition_scalar(value: str | None, kind: pa.DataType) -> pa.Scalar:
    """A partition value as its column's type; the log writes NULL as null or as an empty string."""
    if not value:
        return pa.scalar(None, kind)
    if pa.types.is_date32(kind):
        return _day_scalar(value)
    return pa.scalar(value, pa.string()).cast(kind)


def _day_scalar(value: str) -> pa.Scalar:
    """A day, also one beyond the calendar of Python and Arrow, which the log spells with a sign."""
    sign = -1 if value.startswith("-") else 1
    year, month, day = (int(part) for part in value.lstrip("+-").split("-"))
    # The calendar repeats every 400 years, of 146,097 days each.
    cycles, year_within = divmod(sign * year - 1, 400)
    days = date(year_within + 1, month, day).toordinal() - date(1970, 1, 1).toordinal()
    return pa.scalar(days + cycles * 146_097, pa.int32()).cast(pa.date32())


def _path(folder: LogFolder, file: AddedFile) -> str:
    """A file's path within the table: the log escapes it as a URI."""
    if file.deletion_vector is not None:
        raise LakeError(
            f"{folder.address}: rows deleted by a deletion vector are not read here: run REORG TABLE … APPLY (PURGE)."
        )
    path = unquote(file.path)
    if path.startswith("/") or "://" in path:
        raise LakeError(f"{folder.address}: {path} lies outside of the table, which is not read here.")
    return path
