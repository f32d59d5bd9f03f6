"""Held-out images and batch of a recipe, made smaller where the data are few, so that any image folder can be trained.

The numbers of a scale or suite are meant for thousands of images. What --set gives is kept.
"""

from collections.abc import Collection

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


def describe_fit(recipe: Recipe, fitted: Recipe, images: int) -> str:
    """What `fit_to_data` changed, as a line for the plan; "" if nothing."""
    changes = [
        f"{getattr(fitted, field)} {words} instead of {getattr(recipe, field)}"
        for field, words in (("heldout", "held-out images"), ("batch", "images in a batch"))
        if getattr(fitted, field) != getattr(recipe, field)
    ]
    return f"{recipe.dataset} has {images} training images: {', '.join(changes)}" if changes else ""
