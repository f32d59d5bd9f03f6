"""Recipes for few images: smaller held-out sets and batches, what --set gives kept, and the notes of a plan."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import ROOT
from bench.data import DataError, describe, load
from bench.errors import BadInput
from bench.spec.expand import Options, plan
from bench.spec.small_data import check_classes, describe_fit, fit_to_data
from tests.data.image_files import random_images, write_folder
from tests.recipes import pgd_at

SUITES = sorted((ROOT / "suites").rglob("*.yaml"))
SUITES = [path for path in SUITES if path.parent.name != "scales"]
SCALES = sorted(path.stem for path in (ROOT / "suites" / "scales").glob("*.yaml"))


def recipe(heldout: int, batch: int, train_images: int | None = None):
    return pgd_at(heldout=heldout, batch=batch, train_images=train_images)


@pytest.mark.parametrize(
    ("images", "asked", "fitted"),
    [
        (6500, (500, 128), (500, 128)),
        (1347, (200, 64), (200, 64)),  # the digits keep their recipes, also row 9's batch of 256: their keys are old
        (1347, (200, 256), (200, 256)),
        (1000, (500, 128), (200, 128)),  # 800 images left: 6 steps
        (300, (500, 128), (60, 32)),  # 240 left: 64 would be 3 steps
        (40, (5000, 128), (8, 16)),  # 2 steps of MIN_BATCH
        (10, (5000, 128), (2, 8)),
        (3, (200, 64), (1, 2)),
    ],
)
def test_the_numbers_for_some_sizes(images, asked, fitted):
    result = fit_to_data(recipe(*asked), images, fixed=())
    assert (result.heldout, result.batch) == fitted


@given(
    images=st.integers(3, 100_000),
    heldout=st.integers(1, 5000),
    batch=st.integers(2, 512),
    train_images=st.none() | st.integers(2, 20_000),
)
def test_any_number_of_images_from_three_trains_and_nothing_grows(images, heldout, batch, train_images):
    asked = recipe(heldout, batch, train_images)
    fitted = fit_to_data(asked, images, fixed=())
    trained = min(train_images or images, images - fitted.heldout)
    assert 1 <= fitted.heldout <= heldout and 2 <= fitted.batch <= batch and fitted.batch <= trained
    assert fitted.model_copy(update={"heldout": heldout, "batch": batch}) == asked
    assert fit_to_data(fitted, images, fixed=()) == fitted
    assert bool(describe_fit(asked, fitted, images)) == (fitted != asked)


def test_what_is_fixed_stays_or_is_refused():
    assert fit_to_data(recipe(500, 128), 300, fixed={"batch"}).batch == 128
    with pytest.raises(ValueError, match="60 held-out images and a batch of 256 are more than the 300 training images"):
        fit_to_data(recipe(500, 256), 300, fixed={"batch"})
    with pytest.raises(ValueError, match="500 held-out images"):
        fit_to_data(recipe(500, 128), 300, fixed={"heldout"})
    with pytest.raises(ValueError, match="more than the 2 training images"):
        fit_to_data(recipe(1, 2), 2, fixed=())


def test_a_note_says_what_became_smaller():
    asked = recipe(500, 128)
    note = describe_fit(asked, fit_to_data(asked, 300, fixed=()), 300)
    assert note == (
        "digits has 300 training images: 60 held-out images instead of 500, 32 images in a batch instead of 128"
    )


@pytest.fixture(scope="module")
def pets(tmp_path_factory) -> str:
    """A folder of 50 images of 9 × 9 pixels, a size that no pooling by 2 divides."""
    folder = tmp_path_factory.mktemp("own") / "pets"
    write_folder(folder, {"cat": random_images(25, side=9), "dog": random_images(25, side=9, seed=1)})
    return str(folder)


@pytest.mark.parametrize("scale", SCALES)
def test_an_own_folder_fits_every_suite_at_every_scale_without_further_options(scale, pets, tmp_path):
    sources = dict.fromkeys(("svhn", "cifar10", "stl10"), pets)
    for path in SUITES:
        suite_plan = plan(path, scale, Options(datasets=sources, seeds=1, root=tmp_path))
        assert {(t.recipe.dataset, t.recipe.batch, t.recipe.pool) for t in suite_plan.trials} == {("pets", 16, 1)}
        heldout = {t.recipe.heldout for t in suite_plan.trials}
        assert heldout <= {4, 8}  # 1/10 of the 40 where the scale says nothing, or 1/5
        assert all(any("16 images in a batch instead" in note for note in panel.notes) for panel in suite_plan.panels)


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> str:
    """A folder of 20 classes of 5 images, of which each has a test image, and of a class of one image."""
    folder = tmp_path_factory.mktemp("own") / "many"
    write_folder(folder, {f"{i:02}": random_images(5, seed=i) for i in range(20)} | {"single": random_images(1)})
    (folder / "00" / "notes.txt").write_text("left out")
    return str(folder)


def test_a_plan_says_what_was_left_out_and_which_part_lacks_which_class(many, tmp_path):
    options = {"datasets": {"svhn": many}, "only": ("svhn",), "seeds": 1, "root": tmp_path}
    suite = ROOT / "suites" / "frontiers.yaml"
    left_out, untested, _, lacking = plan(suite, "smoke", Options(**options)).panels[0].notes
    assert left_out.endswith("left out: 1 no data by their names (00/notes.txt)")
    assert untested.endswith("no test image of 1 of 21 classes (single), as there are too few")
    assert lacking == "many: 16 held-out images have none of 5 of 21 classes (00, 01, 02, 03, single)"
    info = describe(many, tmp_path)
    with pytest.raises(
        ValueError, match=r"^the 20 training images of many have none of 1 of 21 classes \(single\): train"
    ):
        check_classes(recipe(21, 16, train_images=20), info, None)
    assert check_classes(recipe(21, 16, train_images=21), info, 20).endswith("none of 1 of 21 classes (single)")
    with pytest.raises(DataError, match="20 images to train on have none of 1 classes .single."):
        load(many, root=tmp_path, heldout=21, train_images=20)


def test_pooling_is_refused_where_it_does_not_divide_the_size(pets, tmp_path):
    options = Options(datasets={"svhn": pets}, only=("svhn",), settings=("pool=2",), root=tmp_path)
    with pytest.raises(BadInput, match=r"^--set pool=2: pets: images of 9 × 9 pixels cannot be averaged over 2 × 2"):
        plan(ROOT / "suites" / "frontiers.yaml", "smoke", options)


def test_pooling_is_part_of_the_identity_and_of_the_shape_that_costs_are_counted_for(tmp_path):
    def panel(*settings):
        options = Options(only=("svhn",), settings=settings, seeds=1, root=tmp_path)
        return plan(ROOT / "suites" / "frontiers.yaml", "laptop", options).panels[0]

    pooled, whole = panel(), panel("pool=1")
    assert {t.recipe.pool for t in pooled.trials} == {2} and "pooled 2×2" in pooled.trials[0].recipe.name
    assert pooled.info_for(pooled.trials[0].recipe).shape == (1, 14, 14)
    assert whole.info_for(whole.trials[0].recipe).shape == (1, 28, 28)
    assert not {t.key for t in pooled.trials} & {t.key for t in whole.trials}
    unpooled_fields = whole.trials[0].recipe.model_dump(exclude_defaults=True)
    assert "pool" not in unpooled_fields  # so that keys from before the field stay
