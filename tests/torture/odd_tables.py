"""Odd Parquet and IDX files, and odd paths."""

import gzip
import io
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from bench.data import Columns, with_columns
from tests.data.idx_files import STEMS, encode_idx, write_idx
from tests.torture.odd_case import Case, kind, kinds, make_images

SIZE = (4, 5)
TRAIN, TEST = [0, 1, 2] * 8, [0, 1, 2] * 2
STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def encode(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def column(images: Sequence[np.ndarray | bytes | None], column_type=STRUCT) -> pa.Array:
    encoded = [encode(x) if isinstance(x, np.ndarray) else x for x in images]
    rows = encoded if column_type != STRUCT else [{"bytes": x, "path": "x.png"} for x in encoded]
    return pa.array(rows, column_type)


def write(path: Path, rng, labels, image="image", label="label") -> list:
    """Write a Parquet file of random images, and return the labelled images."""
    images = make_images(rng, len(labels), SIZE)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({image: column(images), label: pa.array(labels)}), path)
    return list(zip(images, labels, strict=True))


def write_table(path: Path, rng, image: pa.Array | None = None, label: pa.Array | None = None) -> Path:
    """Write a single file with 24 images, of which one of the columns is given."""
    image = column(make_images(rng, len(TRAIN), SIZE)) if image is None else image
    pq.write_table(pa.table({"image": image, "label": pa.array(TRAIN) if label is None else label}), path)
    return path


@kinds(
    shuffled_rows=(lambda labels, rng: rng.permutation(labels).tolist(),),
    sorted_rows=(lambda labels, rng: sorted(labels),),
    descending_rows=(lambda labels, rng: sorted(labels, reverse=True),),
    grouped_rows=(lambda labels, rng: sorted(labels, key=[2, 0, 1].index),),
)
def single_file(folder, rng, arrange):
    path = folder / "single.parquet"
    return Case(path, train=write(path, rng, arrange(TRAIN, rng)))


SHARDS = {
    "shards": "train-00000-of-00002 train-00001-of-00002 test-00000-of-00001",
    "shards with a hash": "train-00000-of-00001-0a1b2c3d4e5f6071 test-00000-of-00001-0a1b2c3d4e5f6072",
    "plain names": "train test",
    "validation only": "train validation",
    "valid only": "train-00000-of-00001 valid-00000-of-00001",
    "data folder": "data/train-00000-of-00001 data/test-00000-of-00001",
    "converted branch": "default/train/0000 default/train/0001 default/test/0000",
    "folders of splits": "train/0000 test/0000",
    "numbers without a total": "train-0 train-1 test-0",
    "capital Parquet names": "TRAIN Test",
}
for name, files in SHARDS.items():

    @kind(f"Parquet {name}", files)
    def shards(folder, rng, files):
        case = Case(folder / "set")
        for file in files.split():
            is_train = "train" in file.lower()
            labelled = write(folder / "set" / f"{file}.parquet", rng, TRAIN if is_train else TEST)
            (case.train if is_train else case.test).extend(labelled)
        return case


WRONG_SHARDS = {
    "missing first": ("train-00001-of-00002 test", "lacks shard 0 of 2"),
    "missing middle": ("train-00000-of-00003 train-00002-of-00003 test", "lacks shard 1 of 3"),
    "missing in the test split": ("train test-00000-of-00002", "lacks shard 1 of 2"),
    "beyond the total": ("train-00000-of-00001 train-00001-of-00001 test", "shards up to 0 only"),
    "missing in the converted branch": ("default/train/0001 default/test/0000", "lacks shard 0"),
    "twice": ("train-00000-of-00001 train-00000-of-00001-0a1b2c3d4e5f test", "are both shard 0"),
    "of two totals": ("train-00000-of-00001 train-00000-of-00002 train-00001-of-00002 test", "not numbered as shards"),
    "beside a whole file": ("train train-00000-of-00001 test", "not numbered as shards"),
    "of two configurations": ("a/train b/train a/test b/test", "several data sets, in the folders a, b"),
    "of two folders": ("train data/train data/test", "several data sets"),
    "without a test split": ("train", "add the test split"),
    "without a training split": ("test validation", "name of a split"),
    "without names of splits": ("part-0 part-1", "name of a split"),
}
for name, (files, fragment) in WRONG_SHARDS.items():

    @kind(f"Parquet shards {name}", files, fragment)
    def wrong_shards(folder, rng, files, fragment):
        for file in files.split():
            write(folder / "set" / f"{file}.parquet", rng, TEST)
        return Case(folder / "set", (str(folder / "set"), fragment))


@kinds(
    extra_split=("train_extra-00000-of-00001", TRAIN, "name that is no split's (train_extra-"),
    validation_beside_test=("validation", TEST, "1 of another split (validation.parquet)"),
    partial_split=("partial-train/0000", TRAIN, "name that is no split's (partial-train/0000.parquet)"),
)
def left_out_file(folder, rng, name, labels, note):
    case = Case(folder / "set", note=note)
    case.train, case.test = (write(folder / f"set/{s}.parquet", rng, y) for s, y in (("train", TRAIN), ("test", TEST)))
    write(folder / f"set/{name}.parquet", rng, labels)
    return case


@kinds(test_split_without_labels=([-1] * 6, "label"), test_split_without_a_column=([0] * 6, "id"))
def unlabelled_test(folder, rng, labels, label):
    write(folder / "set/test.parquet", rng, labels, label=label)
    case = Case(folder / "set", note="1 without labels (test.parquet)")
    case.train, case.test = (
        write(folder / f"set/{s}.parquet", rng, y) for s, y in (("train", TRAIN), ("validation", TEST))
    )
    return case


NUMBER = "number the classes 0..K-1"
WRONG_LABELS = {
    "from one": ([y + 1 for y in TRAIN], pa.int64(), NUMBER),
    "with a gap": ([y * 2 for y in TRAIN], pa.int64(), NUMBER),
    "with minus one": ([y - 1 for y in TRAIN], pa.int64(), NUMBER),
    "of one class": ([0] * 24, pa.int64(), "add another class"),
    "all different": (list(range(24)), pa.int64(), "too few images"),
    "huge": ([2**62] + TRAIN[1:], pa.int64(), NUMBER),
    "beyond 64 bits": ([2**64 - 1] + TRAIN[1:], pa.uint64(), NUMBER),
    "with a null": ([None] + TRAIN[1:], pa.int64(), "1 rows without a label: remove"),
    "as text": ([str(y) for y in TRAIN], pa.string(), "as integers 0..K-1"),
    "as floats": ([float(y) for y in TRAIN], pa.float64(), "as integers 0..K-1"),
    "as bools": ([y > 0 for y in TRAIN], pa.bool_(), "as integers 0..K-1"),
    "as lists": ([[y] for y in TRAIN], pa.list_(pa.int64()), "as integers 0..K-1"),
    "as a dictionary": ([str(y) for y in TRAIN], pa.dictionary(pa.int8(), pa.string()), "as integers 0..K-1"),
}
for name, (labels, label_type, fragment) in WRONG_LABELS.items():

    @kind(f"labels {name}", labels, label_type, fragment)
    def wrong_labels(folder, rng, labels, label_type, fragment):
        path = write_table(folder / "x.parquet", rng, label=pa.array(labels, label_type))
        return Case(path, ("x.parquet", fragment))


@kinds(labels_of_8_bits=(pa.int8(),), labels_of_unsigned_64_bits=(pa.uint64(),))
def integer_labels(folder, rng, label_type):
    images = make_images(rng, len(TRAIN), SIZE)
    path = write_table(folder / "x.parquet", rng, column(images), pa.array(TRAIN, label_type))
    return Case(path, train=list(zip(images, TRAIN, strict=True)))


@kinds(binary_images=(pa.binary(),), large_binary_images=(pa.large_binary(),))
def plain_binary(folder, rng, image_type):
    images = make_images(rng, len(TRAIN), SIZE)
    return Case(
        write_table(folder / "x.parquet", rng, column(images, image_type)), train=list(zip(images, TRAIN, strict=True))
    )


WRONG_IMAGES = {
    "as lists of integers": (pa.array([[1, 2]] * 24, pa.list_(pa.uint8())), "struct with `bytes` (binary)|`bytes`"),
    "as integers": (pa.array([1] * 24), "`bytes`"),
    "as text": (pa.array(["x.png"] * 24), "`bytes`"),
    "with bytes as a list": (pa.array([{"bytes": [1]}] * 24, pa.struct([("bytes", pa.list_(pa.int8()))])), "`bytes`"),
    "with bytes as integers": (pa.array([{"bytes": 1}] * 24), "`bytes`"),
    "with paths only": (pa.array([{"bytes": None, "path": "x.png"}] * 24, STRUCT), "row 0 has no image bytes: embed"),
    "null": (pa.array([None] * 24, STRUCT), "row 0 has no image bytes"),
    "empty": (pa.array([{"bytes": b"", "path": ""}] * 24, STRUCT), "row 0 is not an image"),
}
for name, (image, fragment) in WRONG_IMAGES.items():

    @kind(f"images {name}", image, fragment)
    def wrong_images(folder, rng, image, fragment):
        return Case(write_table(folder / "x.parquet", rng, image), ("x.parquet", fragment))


@kinds(**{f"two_columns_{name}": (name,) for name in ("label", "image")})
def two_columns(folder, rng, name):
    columns = {"image": column(make_images(rng, len(TRAIN), SIZE)), "label": pa.array(TRAIN)}
    arrays, names = [*columns.values(), columns[name]], [*columns, name]
    pq.write_table(pa.Table.from_arrays(arrays, names), folder / "x.parquet")
    return Case(folder / "x.parquet", (f"2 columns `{name}`", "keep one"))


@kinds(
    columns_not_named=("pixels", "fine_label", Columns(), "give --label-column fine_label"),
    image_column_not_named=("pixels", "fine_label", Columns("fine_label"), "give --image-column pixels"),
    columns_named=("pixels", "fine_label", Columns("fine_label", "pixels"), ""),
    image_called_img=("img", "label", Columns(), ""),
    wrong_column_named=("image", "label", Columns("image"), "`image` as integers"),
    absent_column_named=("image", "label", Columns("kind"), "no `kind`: give --label-column label"),
)
def named_columns(folder, rng, image, label, columns, fragment):
    labelled = write(folder / "x.parquet", rng, TRAIN, image, label)
    source = with_columns(str(folder / "x.parquet"), columns)
    return Case(source, ("x.parquet", fragment)) if fragment else Case(source, train=labelled)


@kinds(
    empty_Parquet=(lambda content: b"", "write it again"),
    text_as_Parquet=(lambda content: b"not a table", "write it again"),
    truncated_Parquet=(lambda content: content[:-20], "write it again"),
    zeroed_Parquet=(lambda content: content[:50] + bytes(len(content) - 100) + content[-50:], ""),
    pointer_as_Parquet=(lambda content: b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    pointer_of_annex=(lambda content: b"/annex/objects/MD5-s1--0", "git annex get"),
)
def damaged_parquet(folder, rng, damage, fragment):
    path = write_table(folder / "x.parquet", rng)
    path.write_bytes(damage(path.read_bytes()))
    return Case(path, ("x.parquet", fragment))


@kinds(Parquet_without_rows=("x", [], "too few images|absent"), Parquet_of_two_rows=("x", [0, 1], "too few images"))
def few_rows(folder, rng, name, labels, fragment):
    path = write_table(
        folder / "x.parquet", rng, column(make_images(rng, len(labels), SIZE)), pa.array(labels, pa.int64())
    )
    return Case(path, ("x.parquet", fragment))


@kinds(IDX=("",), IDX_gz=(".gz",), IDX_xz=(".xz",), IDX_sorted=("sorted",), IDX_twice=("twice",))
def idx(folder, rng, how):
    parts = []
    for labels in (TRAIN, TEST):
        images = rng.integers(0, 256, (len(labels), *SIZE), dtype=np.uint8)
        parts += [images, np.array(sorted(labels) if how == "sorted" else labels, np.uint8)]
    write_idx(folder / "set", parts, how if how.startswith(".") else "")
    if how == "twice":
        (folder / "set" / f"{STEMS[0]}.gz").write_bytes(gzip.compress(b"older"))
    train, test = (list(zip(parts[i][:, :, :, None], parts[i + 1].tolist(), strict=True)) for i in (0, 2))
    return Case(folder / "set", train=train, test=test, note="1 of the same name" if how == "twice" else "")


IMAGES, LABELS = np.zeros((6, 4, 5), np.uint8), np.array(TEST, np.uint8)
WRONG_IDX = {
    "truncated": (0, encode_idx(IMAGES)[:-1], "download it again"),
    "longer than announced": (0, encode_idx(IMAGES) + b"x", "but has more"),
    "huge counts": (0, bytes([0, 0, 8, 3]) + b"\xff" * 12, "more than this machine's memory"),
    "no images": (0, encode_idx(IMAGES[:0]), "has 0 images"),
    "without pixels": (0, encode_idx(IMAGES[:, :0]), "images without pixels"),
    "of 16 bits": (0, bytes([0, 0, 11, 3]) + encode_idx(IMAGES)[4:], "not an IDX file of uint8"),
    "labels with a gap": (1, encode_idx(LABELS * 2), NUMBER),
    "fewer labels": (1, encode_idx(LABELS[1:]), "5 labels"),
    "other test size": (2, encode_idx(IMAGES[:, :3]), "one size"),
    "empty file": (3, b"", "not an IDX file"),
}
for name, (index, content, fragment) in WRONG_IDX.items():

    @kind(f"IDX {name}", index, content, fragment)
    def wrong_idx(folder, rng, index, content, fragment):
        write_idx(folder / "set", (IMAGES, LABELS, IMAGES, LABELS))
        (folder / "set" / STEMS[index]).write_bytes(content)
        return Case(folder / "set", ("ubyte", fragment))


@kind("IDX pipe")
def idx_pipe(folder, rng):
    write_idx(folder / "set", (IMAGES, LABELS, IMAGES, LABELS))
    (folder / "set" / STEMS[2]).unlink()
    os.mkfifo(folder / "set" / STEMS[2])
    return Case(folder / "set", (f"no {STEMS[2]}", "add it"))


@kinds(
    absent_path=(lambda folder: folder / "absent",),
    path_with_a_zero=(lambda folder: f"{folder}/a\0b",),
    long_path=(lambda folder: f"{folder}/{'x' * 5000}",),
    unknown_user=(lambda folder: "~nobody-of-this-name/data",),
    empty_path=(lambda folder: "",),
    misspelt_name=(lambda folder: "cifar01",),
)
def odd_path(folder, rng, path):
    return Case(path(folder), ("unknown data set", "give one of these"))


@kinds(
    pipe_as_Parquet=(os.mkfifo,),
    link_to_itself_as_Parquet=(lambda path: path.symlink_to(path),),
    device_as_Parquet=(lambda path: path.symlink_to("/dev/zero"),),
    text_file=(lambda path: shutil.copy(__file__, path.with_suffix("")),),
)
def odd_file(folder, rng, make):
    make(folder / "x.parquet")
    return Case(next(folder.iterdir()), ("x", "give a|give the path"))
