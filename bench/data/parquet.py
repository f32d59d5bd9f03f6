"""Image classification in Parquet, in the layout of the Hugging Face hub.

Columns: `image` (or `img`), a struct whose field `bytes` holds an encoded image, and `label`, an integer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bench.data.words import DataError

IMAGE_COLUMNS = ("image", "img")


def find(path: Path) -> dict[str, list[Path]] | None:
    """The files of each part: `train` and `test` of a folder, or `all` for a single file. None if it is no Parquet."""
    if path.is_file() and path.suffix == ".parquet":
        return {"all": [path]}
    train = sorted(path.glob("train*.parquet"))
    if not train:
        return None
    test = sorted(path.glob("test*.parquet")) or sorted(path.glob("validation*.parquet"))
    if not test:
        raise DataError(f"{path} has train*.parquet, but no test*.parquet or validation*.parquet: add the test part")
    return {"train": train, "test": test}


def labels(files: dict[str, list[Path]]) -> dict[str, np.ndarray]:
    """The label column of each part, int64 (N,). Raises DataError if it is absent, of another type, or has gaps."""
    return {part: np.concatenate([_labels_of(path) for path in paths]) for part, paths in files.items()}


def _labels_of(path: Path) -> np.ndarray:
    import pyarrow as pa

    with _reading(path) as file:
        schema = file.schema_arrow
        if "label" not in schema.names or not pa.types.is_integer(schema.field("label").type):
            raise DataError(f"{path} has the columns {_columns(schema)}: it needs a column `label` of integers")
        column = file.read(["label"]).column("label")
    if column.null_count:
        raise DataError(f"{path} has {column.null_count} rows without a label: take them out")
    return column.to_numpy().astype(np.int64)


def encoded(paths: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Each row's encoded image, with the file and row it came from. Reads 1,024 rows at a time."""
    for path in paths:
        row = 0
        with _reading(path) as file:
            for batch in file.iter_batches(1024, columns=[_image_column(path, file.schema_arrow)]):
                for data in batch.column(0).field("bytes").to_pylist():
                    if data is None:
                        raise DataError(f"{path} row {row} has no image bytes: write them there, or take the row out")
                    yield f"{path} row {row}", data
                    row += 1


def _image_column(path: Path, schema) -> str:
    import pyarrow as pa

    for name in IMAGE_COLUMNS:
        if name in schema.names:
            kind = schema.field(name).type
            if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
                return name
    raise DataError(f"{path} has the columns {_columns(schema)}: it needs `image` or `img`, a struct with `bytes`")


def _columns(schema) -> str:
    return ", ".join(f"{field.name} ({field.type})" for field in schema)


@contextmanager
def _reading(path: Path):
    """The open ParquetFile. Whatever Arrow finds wrong with it becomes a DataError."""
    import pyarrow as pa  # here, because a trial on an official data set need not wait for it
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: fetch or write it again") from error
