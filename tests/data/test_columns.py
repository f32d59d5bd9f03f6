"""--label-column and --image-column, and the verb `data check`."""

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.data import Columns, DataError, absolute, describe, split_columns, with_columns
from bench.errors import BadInput
from bench.run.request import add_columns
from tests.data.image_files import random_images, write_folder, write_parquet


@pytest.mark.parametrize("columns", [Columns(), Columns("fine_label"), Columns("", "photo"), Columns("a b", "c=d")])
@pytest.mark.parametrize("path", ["/data/x.parquet", "/a::b/c", "/with=sign/é"])
def test_a_source_holds_its_path_and_columns(path, columns):
    source = with_columns(path, columns)
    assert split_columns(source) == (path, columns) and split_columns(absolute(source)) == (path, columns)


def test_columns_belong_to_the_paths_of_the_data_sets():
    assert add_columns(["cifar10=x", "svhn"], "fine", "") == ["cifar10=x::label=fine", "svhn"]
    assert add_columns([], "", "") == []
    with pytest.raises(BadInput, match="--image-column photo: .*--dataset NAME=PATH"):
        add_columns(["svhn"], "", "photo")


def test_other_columns_are_another_dataset(tmp_path):
    path = str(write_parquet(tmp_path / "x.parquet", random_images(12), [0, 1, 2] * 4))
    named = describe(with_columns(path, Columns("label")), tmp_path)
    assert named == describe(path, tmp_path)
    with pytest.raises(DataError, match="it needs `image` as integers"):
        describe(with_columns(path, Columns("image")), tmp_path)
    write_folder(tmp_path / "pets", {"cat": random_images(5), "dog": random_images(5)})
    with pytest.raises(DataError, match="has no Parquet files: leave --label-column"):
        describe(with_columns(str(tmp_path / "pets"), Columns("label")), tmp_path)


def test_data_check_reads_every_image_and_prints_splits_and_what_was_left_out(tmp_path):
    pets = tmp_path / "pets"
    write_folder(pets, {"cat": random_images(10), "dog": random_images(10)})
    (pets / "dog" / "notes.txt").write_text("left out")
    arguments = ["data", "check", str(pets), "--data", str(tmp_path / "data")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0 and result.stdout.splitlines() == [
        "pets: 2 classes, 16 training and 4 test images of 8 × 8 pixels, 3 channels",
        f"{pets}: left out: 1 no data by their names (dog/notes.txt)",
    ]
    (pets / "dog" / "009.png").write_bytes(b"spoiled")
    refusal = CliRunner().invoke(app, arguments).exception
    assert isinstance(refusal, DataError) and "dog/009.png is not an image" in str(refusal)
