"""Directories of an earlier version, without a manifest: read as before, checked by content, then given a manifest.

And the readers on content of any kind.
"""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import ROOT, stored_plans, trial_manifest
from bench.damaged_files import Damaged, checksum_of, read_sealed, set_aside, write_sealed
from bench.run.repair import repair
from bench.spec.expand import Options, plan
from bench.trial_dir import LOADERS, damaged_files, load_recipe, read_progress, read_results
from tests.finished_runs import write_finished

TRIAL = plan(ROOT / "suites" / "saliency.yaml", "smoke", Options(only=("svhn",), seeds=1)).trials[1]
ACCURACY = plan(ROOT / "suites" / "frontiers.yaml", "smoke", Options(only=("svhn",), seeds=1)).trials[0].measurements[0]
TRIAL = TRIAL.model_copy(update={"measurements": (ACCURACY, *TRIAL.measurements)})
# not st.text(), which looks up in seconds what UTF-8 can hold
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def earlier(tmp_path):
    """The directory of a finished trial without a manifest."""
    directory = tmp_path / "trials" / TRIAL.key
    write_finished(directory, TRIAL)
    (directory / "manifest.json").unlink()
    return directory


def change_results(directory, change) -> None:
    results = json.loads((directory / "results.json").read_text("utf-8"))
    change(results)
    (directory / "results.json").write_text(json.dumps(results), "utf-8")


def entries(results: dict) -> list[dict]:
    """The accuracy and the saliency measurement."""
    return sorted(results["measurements"].values(), key=lambda entry: entry["measurement"]["probe"])


CHANGES = {
    "λ of a row": lambda results: entries(results)[0]["rows"][0].update(lam=0.1),
    "λ of the measurement": lambda results: entries(results)[0]["measurement"].update(lambdas=[0.1]),
    "attack": lambda results: entries(results)[0]["measurement"].update(attack="pgd20"),
    "ε": lambda results: entries(results)[0]["measurement"].update(epsilon=0.2),
    "image index": lambda results: entries(results)[1]["measurement"].update(images=[5]),
    "a row less": lambda results: entries(results)[0]["rows"].pop(),
    "a count": lambda results: entries(results)[0]["rows"][0].update(robust_correct=1),
    "a bit": lambda results: entries(results)[0]["rows"][0].update(clean_hits="AAAAAAA="),
    "another network": lambda results: results.update(key="0" * 16),
}


def test_a_whole_directory_gets_its_manifest_and_keeps_all(earlier):
    assert list(damaged_files(earlier, TRIAL.key)) == []
    before = {path: path.read_bytes() for path in earlier.iterdir()}
    assert repair(earlier, TRIAL.recipe) == []
    assert {path: path.read_bytes() for path in before} == before
    names = {path.name for path in before} - {"mlflow.json"}
    assert trial_manifest.read(earlier, TRIAL.key).files.keys() == names
    assert len(read_results(earlier, TRIAL.key)["measurements"]) == 2


@pytest.mark.parametrize("change", CHANGES)
def test_results_that_do_not_fit_together_are_set_aside(earlier, change):
    change_results(earlier, CHANGES[change])
    (line,) = repair(earlier, TRIAL.recipe)
    assert "results.json is damaged: " in line and (earlier / "results.json.damaged").is_file()
    assert read_results(earlier, TRIAL.key) == {} and repair(earlier, TRIAL.recipe) == []


@pytest.mark.parametrize("change", CHANGES)
def test_an_altered_file_does_not_have_its_checksum(earlier, change):
    repair(earlier, TRIAL.recipe)
    change_results(earlier, CHANGES[change])
    assert read_results(earlier, TRIAL.key) == {}


def test_a_recipe_or_weights_of_another_network_are_set_aside(earlier):
    other = TRIAL.recipe.model_copy(update={"seed": 9})
    text = (earlier / "recipe.json").read_text("utf-8")
    (earlier / "recipe.json").write_text(text.replace('"seed": 0', '"seed": 9'), "utf-8")
    weights = (earlier / "weights.safetensors").read_bytes()
    (earlier / "weights.safetensors").write_bytes(weights.replace(b'\\"seed\\": 0', b'\\"seed\\": 9'))
    lines = repair(earlier, TRIAL.recipe)
    assert [re.search(r"(\S+) is damaged.*?(\w{16});", line.split("/")[-1])[2] for line in lines] == [other.key] * 2
    assert load_recipe(earlier, TRIAL.key) == TRIAL.recipe  # made anew


def test_a_kill_between_the_manifest_and_the_file_leaves_either_file_acknowledged(tmp_path):
    trial_manifest.write_text(tmp_path, "progress.jsonl", "old", "k")
    with pytest.raises(KeyboardInterrupt), trial_manifest.recorded(tmp_path, "results.json", "k") as temporary:
        temporary.write_text("first")
        raise KeyboardInterrupt
    manifest = trial_manifest.read(tmp_path)
    for new in ("progress.jsonl", "results.json"):  # one that replaces a file, and one that is the first of its name
        before = trial_manifest.verified_bytes(tmp_path, new)
        manifest.files[new] = [trial_manifest.checksum(b"new"), *manifest.files.get(new, [trial_manifest.ABSENT])]
        trial_manifest.write(tmp_path, manifest)
        assert trial_manifest.verified_bytes(tmp_path, new) == before
        (tmp_path / new).write_text("new")
        assert trial_manifest.verified_bytes(tmp_path, new) == b"new"


def test_files_set_aside_never_replace_one_another(tmp_path):
    for i in range(3):
        (tmp_path / "a.json").write_text(str(i))
        set_aside(tmp_path / "a.json")
    assert [(tmp_path / f"a.json.damaged{n}").read_text() for n in ("", "-2", "-3")] == ["0", "1", "2"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("trial")


@settings(max_examples=60)
@given(content=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()), sealed=st.booleans())
def test_readers_return_or_raise_damaged_whatever_a_file_holds(directory, content, sealed):
    if sealed:
        value = json.loads(content) if content[:1] == b"{" and content[-1:] == b"}" else {}
        content = json.dumps(value | {"sha256": checksum_of(value)}).encode()
    files = ("recipe.json", "results.json", "progress.jsonl", "failure.json", "mlflow.json", "manifest.json")
    for name in (*files, "machine.json", "plans/a.json"):
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        for load in LOADERS:
            try:
                load(directory, "0" * 16)
            except Damaged as damage:
                assert damage.path.parent == directory and "\n" not in str(damage)
        assert read_progress(directory) == [] and read_results(directory) == {}
        plans, damages = stored_plans.read_plans(directory)
        assert plans == [] and len(damages) == len(list(directory.glob("plans/*.json")))
        path.unlink()


@pytest.mark.parametrize(
    "name", ["../{key}/recipe.json", "/recipe.json", "a/../recipe.json", "", "checkpoint/../recipe.json"]
)
def test_no_name_in_a_file_leads_out_of_the_directory(tmp_path, name):
    """Not even to read what is there: results.json of an archive names files."""
    directory = tmp_path / "trials" / TRIAL.key
    write_finished(directory, TRIAL)
    with pytest.raises(Damaged, match="no file of a trial has this name"):
        trial_manifest.verified_bytes(directory, name.format(key=TRIAL.key), TRIAL.key)


@settings(max_examples=40)
@given(value=st.dictionaries(TEXTS, JSON, max_size=4).filter(lambda v: "sha256" not in v), data=st.data())
def test_no_changed_field_of_a_sealed_file_is_believed(directory, value, data):
    value = json.loads(json.dumps(value))
    path = directory / "sealed.json"
    try:
        write_sealed(path, value)
    except UnicodeEncodeError:  # a lone surrogate
        return
    assert checksum_of(read_sealed(path)) == checksum_of(value)
    stored = json.loads(path.read_text("utf-8"))
    name = data.draw(st.sampled_from(sorted(stored)))
    stored[name] = data.draw(JSON.filter(lambda other: json.dumps(other) != json.dumps(stored[name])))
    if stored["sha256"] is None:
        return  # as in a file of an earlier version
    path.write_text(json.dumps(stored), "utf-8")
    with pytest.raises(Damaged):
        read_sealed(path)
