"""Held-out images and batch of a recipe, made smaller where the data are few, so that any image folder can be trained.

The numbers of a scale or suite are meant for thousands of images. What --set gives is kept. Every class has to stand in
each part of the data that results.
"""

from collections.abc import Collection

from bench.data import DatasetInfo
from bench.spec.recipe import Recipe

HELDOUT_SHARE = 5  # at most 1/5 of the training images are held out
MIN_STEPS = 4  # of an epoch: the batch is halved until there are as many, or until it is MIN_BATCH
MIN_BATCH = 16  # smaller batches make the statistics of BN noise, above all in dual BN


def fit_to_data(recipe: Recipe, images: int, fixed: Collection[str]) -> Recipe:
    """The recipe with `heldout` and `batch` as small as a data set with this number of training images needs.

    Fields named in `fixed` stay. Raises ValueError, with the reason, where fewer images than a batch are left.
    """
    heldout, batch = recipe.heldout, recipe.batch
    if "heldout" not in fixed:
        heldout = min(heldout, max(1, images // HELDOUT_SHARE))
    left = images - heldout
    trained = min(recipe.train_images or left, left)
    if "batch" not in fixed:
        while batch > MIN_BATCH and trained // batch < MIN_STEPS:
            batch = max(MIN_BATCH, batch // 2)
        batch = max(2, min(batch, trained))
    if trained < batch:
        asked = f"{heldout} held-out images and a batch of {batch}"
        raise ValueError(f"{asked} are more than the {images} training images of {recipe.dataset}")
    return recipe.model_copy(update={"heldout": heldout, "batch": batch})


def check_classes(recipe: Recipe, info: DatasetInfo, test_images: int | None) -> str:
    """A line on parts of local files that lack a class, or ""; the files' own test split is described by `info`.

    Raises ValueError where the training images lack one: it would be tested without being learned.
    """
    if info.class_counts is None:
        return ""
    from bench.data.split_order import absent_classes  # imports NumPy, which a plan without local files does not

    train, test = info.class_counts
    remaining = info.train - recipe.heldout
    trained = min(recipe.train_images or remaining, remaining)
    parts = (
        (train, 0, trained, f"{trained} training images"),
        (train, remaining, info.train, f"{recipe.heldout} held-out images"),
        (test, 0, test_images, f"{test_images} test images"),
    )
    lacking = []
    for counts, start, stop, words in parts:
        absent = absent_classes(counts, start, stop)
        if absent:
            names = ", ".join(info.class_names[index] for index in absent[:5]) + (", …" if len(absent) > 5 else "")
            lack = f"have none of {len(absent)} of {info.classes} classes ({names})"
            if counts is train and start == 0:
                raise ValueError(f"the {words} of {info.name} {lack}: train on more, or hold out fewer")
            lacking.append(f"{words} {lack}")
    return f"{info.name}: {'; '.join(lacking)}" if lacking else ""


def describe_fit(recipe: Recipe, fitted: Recipe, images: int) -> str:
    """What `fit_to_data` changed, as a line for the plan; "" if nothing."""
    changes = [
        f"{getattr(fitted, field)} {words} instead of {getattr(recipe, field)}"
        for field, words in (("heldout", "held-out images"), ("batch", "images in a batch"))
        if getattr(fitted, field) != getattr(recipe, field)
    ]
    return f"{recipe.dataset} has {images} training images: {', '.join(changes)}" if changes else ""
