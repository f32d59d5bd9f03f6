"""Parquet format, with the columns of image classification datasets on the Hugging Face hub.

Columns: `image` (or `img`), a struct whose field `bytes` holds an encoded image, and `label`, an integer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bench.data.dataset_types import DataError, FilesBySplit

IMAGE_COLUMNS = ("image", "img")
BATCH_ROWS = 1024  # rows in memory at a time


def find_files(path: Path) -> FilesBySplit | None:
    """List the files of `train` and `test` in a folder, or of `all` for a single file. None if `path` is not Parquet.

    Raises DataError if a folder has no test split.
    """
    if path.is_file() and path.suffix == ".parquet":
        return {"all": [path]}
    train = sorted(path.glob("train*.parquet"))
    if not train:
        return None
    test = sorted(path.glob("test*.parquet")) or sorted(path.glob("validation*.parquet"))
    if not test:
        raise DataError(f"{path} has train*.parquet, but no test*.parquet or validation*.parquet: add the test split")
    return {"train": train, "test": test}


def read_labels(files: FilesBySplit) -> dict[str, np.ndarray]:
    """Labels of each split, int64 (N,). Raises DataError if the column is missing, not integer, or has nulls."""
    return {split: np.concatenate([_read_label_column(path) for path in paths]) for split, paths in files.items()}


def _read_label_column(path: Path) -> np.ndarray:
    import pyarrow as pa

    with _open_parquet(path) as file:
        schema = file.schema_arrow
        if "label" not in schema.names or not pa.types.is_integer(schema.field("label").type):
            raise DataError(f"{path} has the columns {_column_list(schema)}: it needs a column `label` of integers")
        column = file.read(["label"]).column("label")
    if column.null_count:
        raise DataError(f"{path} has {column.null_count} rows without a label: remove them")
    return column.to_numpy().astype(np.int64)


def read_encoded_images(paths: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield (file and row, encoded bytes) of each image."""
    for path in paths:
        row = 0
        with _open_parquet(path) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=[_find_image_column(path, file.schema_arrow)]):
                for encoded in batch.column(0).field("bytes").to_pylist():
                    if encoded is None:
                        raise DataError(f"{path} row {row} has no image bytes: add them, or remove the row")
                    yield f"{path} row {row}", encoded
                    row += 1


def _find_image_column(path: Path, schema) -> str:
    import pyarrow as pa

    for name in IMAGE_COLUMNS:
        if name in schema.names:
            column_type = schema.field(name).type
            if pa.types.is_struct(column_type) and column_type.get_field_index("bytes") >= 0:
                return name
    raise DataError(f"{path} has the columns {_column_list(schema)}: it needs `image` or `img`, a struct with `bytes`")


def _column_list(schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)


@contextmanager
def _open_parquet(path: Path):
    """Open a ParquetFile. Arrow's errors inside the block become a DataError."""
    import pyarrow as pa  # imported here because a trial on an official dataset does not need it
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: download or write it again") from error
