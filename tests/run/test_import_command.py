"""`export` and `import`: what one runs directory had is in another, and nothing else is."""

import io
import json
import tarfile

import pytest
from rich.console import Console

from bench import trial_manifest
from bench.archive import unpacked
from bench.errors import BadInput
from bench.run import import_command
from bench.stored_plans import read_plans
from bench.trial_dir import damaged_files, read_results
from reports.export import export
from tests.finished_runs import write_runs
from tests.run.test_bring_trials_home import contents


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two plans of a finished network and one in training. No index is made of what is imported."""
    monkeypatch.setattr(import_command, "renew_index", lambda runs, console: 0)
    return write_runs(tmp_path, monkeypatch)


def finished_key(runs) -> str:
    return next(path.parent.name for path in runs.glob("trials/*/results.json"))


def add(archive, runs) -> str:
    """Import, and return what was printed."""
    console = Console(file=io.StringIO(), width=1000)
    import_command.import_archive(archive, runs, console)
    return console.file.getvalue()


def changed(archive, path, change):
    """A copy of an archive. change: (name, content) → the file's content in it, or None to drop the file."""
    with tarfile.open(archive) as old, tarfile.open(path, "w:xz") as new:
        for entry in old:
            content = change(entry.name, old.extractfile(entry).read())
            if content is not None:
                entry.size = len(content)
                new.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("suffix", ["xz", "gz", "zst"])
def test_another_runs_directory_gets_plans_results_and_weights(runs, tmp_path, suffix):
    archive, fresh, key = tmp_path / f"a.tar.{suffix}", tmp_path / "fresh", finished_key(runs)
    line = export(None, runs, archive, weights=True)
    assert line.startswith(f"{archive}: 2 plans, 1 network, 1 set of weights, ")
    assert add(archive, fresh) == f"{archive}: 1 networks brought to {fresh}\n"
    ours, theirs = (folder / "trials" / key for folder in (fresh, runs))
    assert contents(ours) == contents(theirs) and not list(damaged_files(ours, key))
    assert "weights.safetensors" in contents(ours) and read_plans(fresh) == read_plans(runs)
    assert [path.name for path in (fresh / "trials").iterdir()] == [key] and not list(fresh.glob("oat-bench-*"))


def test_results_without_weights_know_their_weights(runs, tmp_path):
    light, heavy, fresh, key = tmp_path / "a.tar.gz", tmp_path / "b.tar.gz", tmp_path / "fresh", finished_key(runs)
    export(None, runs, light)
    export(None, runs, heavy, weights=True)
    add(light, fresh)
    ours, theirs = (folder / "trials" / key for folder in (fresh, runs))
    assert read_results(ours, key) == read_results(theirs, key) and not (ours / "weights.safetensors").exists()
    assert trial_manifest.read(ours).measured_on == trial_manifest.read(theirs).measured_on != {}
    add(heavy, fresh)  # of the same weights
    assert contents(ours) == contents(theirs)
    add(light, tmp_path / "other")
    ours = tmp_path / "other" / "trials" / key
    with trial_manifest.recorded(ours, "weights.safetensors", key) as temporary:  # trained anew, on another machine
        temporary.write_bytes((theirs / "weights.safetensors").read_bytes()[:-1] + b"x")
    add(light, tmp_path / "other")
    assert read_results(ours, key) == {}


def test_measurements_of_unknown_weights_do_not_mix_with_known_ones(runs, tmp_path):
    export(None, runs, tmp_path / "new.tar.xz", weights=True)
    early, fresh, key = tmp_path / "early.tar.xz", tmp_path / "fresh", finished_key(runs)
    later = ("manifest.json", "recipe.json", "progress.jsonl", "weights.safetensors")
    changed(tmp_path / "new.tar.xz", early, lambda name, content: None if name.endswith(later) else content)
    add(early, fresh)  # an archive of an earlier version
    ours = fresh / "trials" / key
    assert read_results(ours, key) == read_results(runs / "trials" / key, key)
    assert "weights are not those that the measurements" in add(tmp_path / "new.tar.xz", fresh)
    assert not (ours / "weights.safetensors").exists()


def test_a_changed_file_is_named_and_left_out(runs, tmp_path):
    export(None, runs, tmp_path / "a.tar.xz")

    def better(name: str, content: bytes) -> bytes:
        return content.replace(b'"n": 40', b'"n": 41').replace(b"first.yaml", b"other.yaml")

    forged = changed(tmp_path / "a.tar.xz", tmp_path / "b.tar.xz", better)
    lines = add(forged, tmp_path / "fresh")
    assert "results.json is damaged: it does not have its checksum" in lines
    assert "is damaged: its content does not have its checksum: left out" in lines and str(forged) in lines
    assert read_results(tmp_path / "fresh" / "trials" / finished_key(runs)) == {}
    assert [plan["suite"] for plan in read_plans(tmp_path / "fresh")[0]] == ["second"]


def test_a_report_unpacks_no_weights(runs, tmp_path):
    export(None, runs, tmp_path / "a.tar.gz", weights=True)
    with unpacked(tmp_path / "a.tar.gz") as folder:
        names = {path.name for path in (folder / "trials" / finished_key(runs)).iterdir()}
    assert "results.json" in names and "weights.safetensors" not in names


def test_a_figure_s_archive_has_its_panels_alone(runs, tmp_path):
    (path,) = (runs / "plans").glob("first-*.json")
    plan = json.loads(path.read_text())
    plan.pop("sha256")
    other = plan["panels"][0] | {
        "experiment": "cifar10",
        "figures": ["fig9"],
        "trials": plan["panels"][0]["trials"][1:],
    }
    path.write_text(json.dumps(plan | {"panels": [*plan["panels"], other]}))
    line = export(["fig9"], runs, tmp_path / "a.tar.xz")
    assert ": 1 plan, 0 networks, " in line
    with unpacked(tmp_path / "a.tar.xz") as folder:
        ((kept,), _) = read_plans(folder)
        assert [panel["experiment"] for panel in kept["panels"]] == ["cifar10"]
        assert not (folder / "plans" / path.name).exists()  # it would replace the whole plan


@pytest.mark.parametrize(("name", "message"), [("gone.tar.xz", "no such file"), ("a.zip", "name of an archive ends")])
def test_what_is_no_archive_is_one_line_and_makes_no_directory(tmp_path, name, message):
    with pytest.raises(BadInput, match=message):
        add(tmp_path / name, tmp_path / "fresh")
    assert not (tmp_path / "fresh").exists()
