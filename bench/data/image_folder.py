"""Image folder format: `train/<class>/*.png` and `test/<class>/*.png`, or `<class>/*.png` without a test split.

Splits may have any of the names in bench.data.split_names. The images of a class may be in one folder within its
folder, and those of a split in one folder with a list of classes, as in Tiny-ImageNet.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.data.dataset_types import DataError, LocalFiles
from bench.data.folder_listing import Folder
from bench.data.image_decoding import SUFFIXES
from bench.data.split_names import SPLIT_NAMES, SPLITS

ANNOTATIONS = "_annotations.txt"  # the end of the name of Tiny-ImageNet's list: image, tab, class, tab, …


def find(root: Folder) -> LocalFiles | None:
    """List the image files of both splits, or of "all", with their classes. None if `root` is not an image folder.

    Raises DataError where a class or a split is not told for certain.
    """
    splits = {split: root.folder(*names) for split, names in SPLITS.items()}
    if splits["train"] is None:
        return _find_without_splits(root)
    classes_of, reasons = {"train": _list_classes(splits["train"])}, {}
    if not classes_of["train"]:
        raise DataError(f"{splits['train'].path} has no folder with images in it: it needs a folder for each class")
    for split in ("test", "validation"):
        folder = splits[split]
        if folder is None:
            continue
        if "test" in classes_of:
            reasons[folder.path] = "of another split, as held-out images are some of the training images"
        elif _is_unlabelled(folder, classes_of["train"]):
            reasons[folder.path] = "of a split without classes"
        else:
            classes_of["test"] = _list_classes(folder)
    if not classes_of.get("test"):
        where = "train/<class>/ and in test/<class>/ or val/<class>/"
        raise DataError(f"{root.path} needs images in {where}, as .png or .jpg: add them")
    for folder in root.folders:
        if folder not in splits.values():
            reasons[folder.path] = "beside the splits"
    untrained = sorted(set(classes_of["test"]) - set(classes_of["train"]))
    if untrained:
        folder = splits["train"].path
        raise DataError(f"{folder} has no class {untrained[0]}, which has test images only: add training images")
    return _local_files(classes_of, reasons)


def _find_without_splits(root: Folder) -> LocalFiles | None:
    if not any(_has_images(folder) for child in root.folders for folder in child.walk()):
        return None
    for folder in root.folders:
        if folder.name.lower() in SPLIT_NAMES:
            raise DataError(f"{root.path} has a folder {folder.name}, but no train: add it, or rename a class")
    return _local_files({"all": _list_classes(root)}, {})


def _local_files(classes_of: dict[str, dict[str, list[Path]]], reasons: dict[Path, str]) -> LocalFiles:
    names = sorted({name for classes in classes_of.values() for name in classes})
    files = {
        split: [file for name in sorted(classes) for file in classes[name]] for split, classes in classes_of.items()
    }
    labels = {
        split: np.repeat(np.arange(len(names)), [len(classes.get(name, ())) for name in names])
        for split, classes in classes_of.items()
    }
    return LocalFiles(files, labels, tuple(names), reasons)


def _list_classes(split: Folder) -> dict[str, list[Path]]:
    """Class → its images, sorted by name. Raises DataError for a class without images."""
    lists = [file for file in split.files if file.name.endswith(ANNOTATIONS)]
    if len(lists) == 1:
        return _read_annotations(lists[0], split)
    if not any(_has_images(folder) for folder in split.walk()):
        return {}
    if not split.folders:
        raise DataError(f"{split.path} holds images, but no folder for each class: sort the images by class")
    return {folder.name: _images_of_class(folder) for folder in split.folders}


def _images_of_class(folder: Folder) -> list[Path]:
    """The images of a class: in its folder, or all in one folder within it. Raises DataError otherwise."""
    within = [inner for inner in folder.walk() if _has_images(inner)]
    classes = (folder, *(inner for inner in folder.folders if inner.name.lower() not in SPLIT_NAMES))
    if len(within) == 1 and within[0] in classes:
        return _images(within[0])
    if within:
        names = ", ".join(str(inner.path.relative_to(folder.path)) for inner in within[:3] if inner is not folder)
        raise DataError(
            f"{folder.path} is no class, as it has folders of images in it ({names}): give the path of the folder "
            "that holds the classes, with all images of a class directly in its folder"
        )
    others = folder.all_files()
    holds = f" but {len(others)} other files, such as {others[0].name}" if others else ""
    raise DataError(f"{folder.path} holds no image{holds}: add .png or .jpg files, or remove the folder")


def _images(folder: Folder) -> list[Path]:
    return [file for file in folder.files if file.suffix.lower() in SUFFIXES]


def _has_images(folder: Folder) -> bool:
    return any(file.suffix.lower() in SUFFIXES for file in folder.files)


def _is_unlabelled(split: Folder, train: dict[str, list[Path]]) -> bool:
    """Whether a split holds its images in no class's folder, as Tiny-ImageNet's `test/images/*.JPEG`."""
    if any(file.name.endswith(ANNOTATIONS) for file in split.files):
        return False
    folders = [folder.name for folder in split.folders]
    return not folders or (folders == ["images"] and "images" not in train)


def _read_annotations(file: Path, split: Folder) -> dict[str, list[Path]]:
    """Class → images of a split with a list of classes. Raises DataError unless it names the class of each image."""
    try:
        rows = [line.split("\t") for line in file.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as UTF-8 text: download it again") from error
    class_of = {row[0]: row[1] for row in rows if len(row) > 1}
    classes: dict[str, list[Path]] = {}
    for folder in split.walk():
        for image in _images(folder):
            if image.name not in class_of:
                raise DataError(f"{image} has no class in {file.name}: add it, or remove the image")
            classes.setdefault(class_of[image.name], []).append(image)
    return classes


def read_encoded_images(files: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield (path, encoded bytes) of each image. Raises DataError."""
    for file in files:
        try:
            yield str(file), file.read_bytes()
        except OSError as error:
            raise DataError(f"{file} cannot be read ({error.strerror}): give read access, or remove it") from error
