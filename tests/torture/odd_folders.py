"""Image folders with an odd layout: names of splits and classes, other files, links and pipes."""

import os
import shutil

from tests.torture.odd_case import Case, kind, kinds, make_images
from tests.torture.odd_images import CLASSES, save_png, write_folder, write_split


@kinds(
    plain=(("train", "test"),),
    without_splits=((),),
    validation_for_test=(("train", "val"),),
    names_of_MNIST_as_PNG=(("training", "testing"),),
    capital_letters=(("Train", "TEST"),),
    valid_for_test=(("train", "valid"),),
)
def names_of_splits(folder, rng, splits):
    return write_folder(folder / "set", rng, splits=splits)


@kind("another size in the test split")
def another_size_of_a_split(folder, rng):
    write_split(folder / "set/train", rng, (4, 5))
    write_split(folder / "set/test", rng, (5, 4))
    return Case(folder / "set", ("test/a/000.png", "4 × 5", "resize"))


@kinds(
    hidden_folder=(".ipynb_checkpoints/x.png", "hidden (train/a/.ipynb_checkpoints)"),
    hidden_file=("._000.png", "hidden (train/a/._000.png)"),
    text_beside_images=("notes.txt", "1 no data by their names (train/a/notes.txt)"),
    format_of_a_few_images=("x.heic", "1 no data by their names (train/a/x.heic)"),
    table_beside_the_splits=("../../labels.csv", "1 no data by their names (labels.csv)"),
    folder_beside_the_splits=("../../extra/x.png", "1 beside the splits (extra/x.png)"),
    Parquet_beside_the_splits=("../../metadata.parquet", "(metadata.parquet)"),
)
def extra(folder, rng, name, note):
    case = write_folder(folder / "set", rng)
    file = folder / "set/train/a" / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"not read")
    case.note = note
    return case


@kinds(
    pipe=(os.mkfifo, "1 neither file nor folder (train/a/x.png)"),
    broken_link=(lambda path: path.symlink_to("nowhere"), "1 broken link"),
    link_to_itself=(lambda path: path.symlink_to(path), "1 broken link"),
    link_to_the_root=(lambda path: path.symlink_to(path.parents[2]), "1 link to a folder above"),
    link_to_its_folder=(lambda path: path.symlink_to(path.parent), "1 link to a folder above"),
    device=(lambda path: path.symlink_to("/dev/zero"), "1 neither file nor folder"),
)
def special(folder, rng, make, note):
    case = write_folder(folder / "set", rng)
    make(folder / "set/train/a/x.png")
    case.note = note
    return case


@kinds(
    line_break=("x\ny.png",),
    bytes_that_are_no_text=(os.fsdecode(b"\xff\xfe.png"),),
    escape_sequence=("\x1b[31mred.png",),
    long_name=("x" * 251 + ".png",),
    markup=("[red]x[bold].png",),
    spaces_and_accents=("é λ  -- %s {}.png",),
)
def names(folder, rng, name):
    """An image with such a name is read, or refused in one line."""
    case = write_folder(folder / "set", rng)
    (folder / "set/train/a/000.png").rename(folder / "set/train/a" / name)
    if rng.integers(2):
        (folder / "set/train/a" / name).write_bytes(b"spoiled")
        return Case(case.source, ("train/a/", "repair or remove"))
    return case


@kinds(
    empty_class=("d", None, "train/d holds no image", "remove the folder"),
    class_in_an_unread_format=("d", "0.jp2", "train/d holds no image", "1 other files, such as 0.jp2"),
    class_of_folders=("d", "x/0.png y/0.png", "train/d is no class", "directly in its folder"),
    class_with_a_folder=("a", "thumbnails/0.png", "train/a is no class", "thumbnails"),
    class_two_levels_down=("d", "x/y/0.png", "train/d holds no image"),
)
def odd_class(folder, rng, name, files, *fragments):
    write_folder(folder / "set", rng)
    (folder / "set/train" / name).mkdir(exist_ok=True)
    for file in (files or "").split():
        (folder / "set/train" / name / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "set/train/b/000.png", folder / "set/train" / name / file)
    return Case(folder / "set", fragments)


@kinds(class_in_the_test_split_only=("train", False), class_in_the_training_split_only=("test", True))
def class_of_one_split(folder, rng, split, readable):
    case = write_folder(folder / "set", rng)
    shutil.rmtree(folder / "set" / split / "c")
    if not readable:
        return Case(case.source, ("no class c", "add training images"))
    case.test = [pair for pair in case.test if pair[1] != 2]
    case.note, case.every_class_everywhere = "no test image of 1 of 3 classes (c)", False
    return case


@kinds(
    training_split_only=(("train",), "test/<class>/"),
    test_split_only=(("test", "x"), "no train"),
    two_training_splits=(("train", "training"), "one split"),
    no_splits_and_a_class_called_test=(("a", "b", "test"), "no train"),
)
def odd_splits(folder, rng, splits, fragment):
    for split in splits:
        write_split(folder / "set" / split, rng, (4, 4))
    return Case(folder / "set", (fragment,))


@kind("test and validation")
def three_splits(folder, rng):
    case = write_folder(folder / "set", rng, size=(4, 4))
    write_split(folder / "set/val", rng, (4, 4))
    case.note = "18 of another split, as held-out images are"
    return case


@kind("packed folder in the folder")
def wrapped(folder, rng):
    write_folder(folder / "set/set-1.0", rng)
    return Case(folder / "set", ("set-1.0 is no class", "give the path of the folder"))


@kinds(images_without_classes=("train",), images_in_the_root=("",))
def flat(folder, rng, where):
    (folder / "set" / where).mkdir(parents=True)
    for number, pixels in enumerate(make_images(rng, 6)):
        save_png(folder / "set" / where / f"{number}.x", pixels)
    return Case(folder / "set", ("for each class|<class>/",))


@kinds(Tiny_ImageNet=(True,), Tiny_ImageNet_without_a_line=(False,))
def tiny_imagenet(folder, rng, complete):
    root, size = folder / "set", (6, 6)
    train = []
    for label, name in enumerate(("n01", "n02", "n03")):
        train += [(pixels, label) for pixels, _ in write_split(root / "train" / name, rng, size, classes=("images",))]
        (root / "train" / name / f"{name}_boxes.txt").write_text("x")
    test = [(pixels, i % 3) for i, (pixels, _) in enumerate(write_split(root / "val", rng, size, classes=("images",)))]
    lines = [f"{i:03}.png\tn0{i % 3 + 1}\t0\t0\t1\t1\n" for i in range(6)]
    (root / "val" / "val_annotations.txt").write_text("".join(lines[0 if complete else 1 :]))
    write_split(root / "test", rng, size, classes=("images",))
    if not complete:
        return Case(root, ("val/images/000.png", "val_annotations.txt", "remove the image"))
    return Case(root, train=train, test=test, note="6 of a split without classes")


@kind("class folders are links")
def linked_classes(folder, rng):
    case = write_folder(folder / "set", rng)
    for name in CLASSES:
        shutil.move(folder / "set/train" / name, folder / f"elsewhere-{name}")
        (folder / "set/train" / name).symlink_to(folder / f"elsewhere-{name}")
    return case


@kinds(one_class=(("a",), 8, "one class"), two_images=(("a", "b"), 1, "too few images"))
def small(folder, rng, classes, count, fragment):
    write_split(folder / "set", rng, (4, 4), classes=classes, count=count)
    return Case(folder / "set", (fragment,))


@kind("class of one image")
def single_image(folder, rng):
    case = write_folder(folder / "set", rng, splits=())
    for number in range(1, 6):
        (folder / f"set/c/{number:03}.png").unlink()
    case.train, case.every_class_everywhere = [*case.train[:12], case.train[12]], False
    return case


@kind("many classes")
def many_classes(folder, rng):
    return write_folder(folder / "set", rng, splits=(), classes=[f"{i:02}" for i in range(40)], count=8)


@kinds(empty_folder=(None,), folder_of_text=("readme.txt",), deep_folder=("a/b/c/d/e/f/g.txt",))
def no_data(folder, rng, file):
    (folder / "set").mkdir()
    if file:
        (folder / "set" / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / "set" / file).write_text("text")
    return Case(folder / "set", ("holds no data", "give a .parquet file"))
