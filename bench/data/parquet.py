"""Parquet format, with the columns of image classification datasets on the Hugging Face hub.

Columns: `image` (or `img`), the encoded image or a struct whose field `bytes` holds it, and `label`, an integer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bench.data.dataset_types import Columns, DataError
from bench.data.image_decoding import POINTERS

IMAGE_COLUMNS = ("image", "img")
BATCH_ROWS = 1024  # rows in memory at a time


def read_labels(files: list[Path], columns: Columns) -> np.ndarray:
    """Labels, int64 (N,). Raises DataError if the column is missing, not integer, or has nulls."""
    return np.concatenate([_read_label_column(file, columns) for file in files])


def has_labels(files: list[Path], columns: Columns) -> bool:
    """Whether the files have labels; -1 is the hub's label of images without one."""
    try:
        labels = read_labels(files, columns)
    except DataError:
        return False
    return len(labels) > 0 and (labels >= 0).all()


def _read_label_column(path: Path, columns: Columns) -> np.ndarray:
    import pyarrow as pa

    name = columns.label or "label"
    with _open_parquet(path) as file:
        schema = file.schema_arrow
        integer = [field.name for field in schema if pa.types.is_integer(field.type)]
        if not _has_one(path, schema, name):
            remedy = f"give --label-column {' or '.join(integer[:5])}" if integer else "add it, as integers 0..K-1"
            raise DataError(f"{path} has the columns {_column_list(schema)}, and no `{name}`: {remedy}")
        if name not in integer:
            raise DataError(f"{path} has the columns {_column_list(schema)}: it needs `{name}` as integers 0..K-1")
        column = file.read([name]).column(name)
        if column.null_count:
            raise DataError(f"{path} has {column.null_count} rows without a label: remove them")
        try:
            return column.cast(pa.int64()).to_numpy()
        except pa.ArrowInvalid as error:  # uint64
            raise DataError(f"{path} has labels beyond 64 bits: number the classes 0..K-1") from error


def read_encoded_images(files: list[Path], columns: Columns) -> Iterator[tuple[str, bytes]]:
    """Yield (file and row, encoded bytes) of each image. Raises DataError."""
    for path in files:
        row = 0
        with _open_parquet(path) as file:
            name = _find_image_column(path, file.schema_arrow, columns)
            for batch in file.iter_batches(BATCH_ROWS, columns=[name]):
                column = batch.column(0)
                for encoded in (column.field("bytes") if hasattr(column, "field") else column).to_pylist():
                    if encoded is None:
                        raise DataError(f"{path} row {row} has no image bytes: embed the image, or remove the row")
                    yield f"{path} row {row}", encoded
                    row += 1


def _find_image_column(path: Path, schema, columns: Columns) -> str:
    for name in (columns.image,) if columns.image else IMAGE_COLUMNS:
        if _has_one(path, schema, name):
            if not _holds_bytes(schema.field(name).type):
                raise DataError(
                    f"{path} has the columns {_column_list(schema)}: `{name}` needs a field `bytes` (binary)"
                )
            return name
    able = [field.name for field in schema if _holds_bytes(field.type)]
    remedy = f"give --image-column {able[0]}" if able else "it needs `image` or `img`, a struct with `bytes` (binary)"
    raise DataError(f"{path} has the columns {_column_list(schema)}, and no {columns.image or '`image`'}: {remedy}")


def _holds_bytes(column_type) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(column_type):
        index = column_type.get_field_index("bytes")  # -1 also where there are two
        return index >= 0 and _holds_bytes(column_type.field(index).type)
    return pa.types.is_binary(column_type) or pa.types.is_large_binary(column_type)


def _has_one(path: Path, schema, name: str) -> bool:
    """Whether the schema has this column. Raises DataError if it has it twice."""
    count = schema.names.count(name)
    if count > 1:
        raise DataError(f"{path} has {count} columns `{name}`: keep one of them")
    return count == 1


def _column_list(schema) -> str:
    fields = [f"{field.name} ({str(field.type)[:60]})" for field in schema][:12]
    return ", ".join(fields) + (", …" if len(schema) > len(fields) else "")


@contextmanager
def _open_parquet(path: Path):
    """Open a ParquetFile. Arrow's errors inside the block become a DataError."""
    import pyarrow as pa  # imported here because a trial on an official dataset does not need it
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        if _is_pointer(path):
            remedy = "is a pointer to a file that was not downloaded: run git lfs pull or git annex get"
        else:
            remedy = "cannot be read as Parquet: download or write it again"
        raise DataError(f"{path} {remedy}") from error


def _is_pointer(path: Path) -> bool:
    try:
        with path.open("rb") as handle:
            return handle.read(64).startswith(POINTERS)
    except OSError:
        return False
