"""Archives: the same runs give the same bytes, without weights; whatever is no plan and no result is refused."""

import gzip
import io
import lzma
import shutil
import tarfile

import pytest

from bench import archive
from bench.damaged_files import write_sealed
from bench.errors import BadInput
from reports.load.plans import read_plans
from tests.reports import claims_world, synthetic, synthetic_probes

NAME = "trials/0123456789abcdef/results.json"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """(runs with weights and logs, which do not belong into an archive; their archive)."""
    folder = tmp_path_factory.mktemp("archive")
    runs = folder / "runs"
    claims_world.suites(runs, ["frontiers", "masking", "saliency"], seeds=1)
    for trial in (runs / "trials").iterdir():
        (trial / "weights.safetensors").write_bytes(b"0" * 1000)
        (trial / "train.log").write_text("secret")
    (runs / "mlflow.db").write_bytes(b"index")
    return runs, pack(runs, folder / "results.tar.xz")


def pack(runs, file):
    return archive.write(file, archive.members(runs, {"laptop"}))


def test_it_holds_no_weights_and_the_same_runs_give_the_same_bytes(world, tmp_path):
    runs, file = world
    with tarfile.open(file) as tar:
        names = tar.getnames()
        assert {(entry.uid, entry.mtime, entry.uname) for entry in tar} == {(0, 0, "")}
    assert {name.rsplit("/", 1)[-1] for name in names if name.startswith("trials")} >= {"results.json"}
    assert not [name for name in names if "weights" in name or "log" in name or "mlflow" in name]
    copy = shutil.copytree(runs, tmp_path / "copy")
    assert pack(copy, tmp_path / "again.tar.xz").read_bytes() == file.read_bytes()
    first, second = (pack(copy, tmp_path / f"{i}.tar.gz").read_bytes() for i in (1, 2))
    assert first == second and gzip.decompress(first) == lzma.decompress(file.read_bytes())


def test_a_path_of_this_machine_stays_out(tmp_path):
    plan = synthetic.write_plan(tmp_path, [synthetic.panel(synthetic.networks(seeds=(0,)))])
    (path,) = (tmp_path / "plans").iterdir()
    write_sealed(path, plan | {"command": f"{plan['command']} --runs '/home/a b' --seeds 1"})
    pack(tmp_path, tmp_path / "a.tar.gz")
    with archive.unpacked(tmp_path / "a.tar.gz") as runs:
        assert "home" not in (runs / "plans" / path.name).read_text()
        ((kept,), damages), ((own,), _) = read_plans(runs), read_plans(tmp_path)
    assert not damages and kept["command"] == own["command"] == f"{plan['command']} --seeds 1"


def test_other_scales_stay_out(tmp_path):
    synthetic.laptop(tmp_path, seeds=(0,))
    synthetic.paper(tmp_path, seeds=(0,))
    names = archive.members(tmp_path, {"laptop"})
    assert len(names) == 1 + 8 and len(archive.members(tmp_path, {"laptop", "paper"})) == 2 + 8 + 24


def test_failures_are_part_of_it(tmp_path):
    trials = synthetic_probes.networks(["PGD-AT"], (0,))
    synthetic.write_plan(tmp_path, [synthetic.panel(trials)])
    synthetic.fail(tmp_path, trials[0])
    pack(tmp_path, tmp_path / "a.tar.gz")
    with archive.unpacked(tmp_path / "a.tar.gz") as runs:
        assert (runs / "trials" / trials[0]["key"] / "failure.json").exists()


def written(path, *entries: tuple[str, bytes, dict]):
    """A tar file with these entries: name, content, and changed fields of the header."""
    opened = {".gz": gzip.open, ".xz": lzma.open}[path.suffix]
    with opened(path, "wb") as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content, fields in (("plans/a.json", b"{}", {}), *entries):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            for field, value in fields.items():
                setattr(entry, field, value)
            tar.addfile(entry, io.BytesIO(content))
    return path


HOSTILE = {
    "upward": ("trials/../../evil.json", b"x", {}),
    "absolute": ("/tmp/evil.json", b"x", {}),
    "hidden upward": ("plans/../../evil.json", b"x", {}),
    "symlink": (NAME, b"", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
    "hard link": (NAME, b"", {"type": tarfile.LNKTYPE, "linkname": "plans/a.json"}),
    "device": (NAME, b"", {"type": tarfile.CHRTYPE}),
    "fifo": (NAME, b"", {"type": tarfile.FIFOTYPE}),
    "folder": ("trials/0123456789abcdef", b"", {"type": tarfile.DIRTYPE}),
    "checkpoint": ("trials/0123456789abcdef/checkpoint/state.safetensors", b"x", {}),
    "log": ("trials/0123456789abcdef/train.log", b"x", {}),
    "twice": ("plans/a.json", b"{}", {}),
    "control characters": ("plans/\x1b[31m.json", b"x", {}),
    "newline": ("plans/a.json\n", b"x", {}),
}


@pytest.mark.parametrize("suffix", [".tar.xz", ".tar.gz"])
@pytest.mark.parametrize("entry", HOSTILE.values(), ids=HOSTILE)
def test_anything_but_plans_and_results_is_refused_in_one_line(tmp_path, entry, suffix):
    file = written(tmp_path / f"evil{suffix}", entry)
    with pytest.raises(BadInput, match="refused") as error, archive.unpacked(file):
        pass
    message = str(error.value)
    assert message.isprintable() and message.startswith(str(file))
    assert not list(tmp_path.parent.rglob("evil.json")) and not (tmp_path / "evil.json").exists()


@pytest.mark.parametrize(("limit", "value"), [("MAX_FILE", 100), ("MAX_TOTAL", 5000), ("MAX_MEMBERS", 1)])
def test_too_much_is_refused(tmp_path, monkeypatch, limit, value):
    file = written(tmp_path / "bomb.tar.gz", (NAME, b"0" * 20_000, {}))
    with archive.unpacked(file) as runs:
        assert (runs / NAME).stat().st_size == 20_000
    monkeypatch.setattr(archive, limit, value)
    with pytest.raises(BadInput, match=r"more than .*: refused"), archive.unpacked(file):
        pass


def test_weights_have_a_limit_of_their_own(tmp_path, monkeypatch):
    name = NAME.replace("results.json", "weights.safetensors")
    file = written(tmp_path / "a.tar.gz", (name, b"0" * 200_000, {}))
    monkeypatch.setattr(archive, "MAX_TOTAL", 50_000)
    with archive.unpacked(file, weights=True) as runs:
        assert (runs / name).stat().st_size == 200_000
    monkeypatch.setattr(archive, "MAX_ALL_WEIGHTS", 100_000)
    with pytest.raises(BadInput, match=r"more than .* of weights: refused"), archive.unpacked(file):
        pass


def test_a_header_that_promises_more_than_there_may_be_is_refused(tmp_path, monkeypatch):
    """The size of an extended header is read before its entry is known."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 400_000_000
    monkeypatch.setattr(archive, "MAX_TOTAL", 1 << 20)
    file = tmp_path / "long.tar.gz"
    file.write_bytes(gzip.compress(entry.tobuf(tarfile.GNU_FORMAT) + b"\0" * (4 << 20)))
    with pytest.raises(BadInput, match="more than 1 MiB: refused"), archive.unpacked(file):
        pass


def test_extended_headers_without_end_are_one_line(tmp_path):
    """Of each, Python's tarfile calls itself."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 2
    block = entry.tobuf(tarfile.GNU_FORMAT) + b"a".ljust(512, b"\0")
    file = tmp_path / "deep.tar.gz"
    file.write_bytes(gzip.compress(block * 3000))
    with pytest.raises(BadInput, match="not a readable archive of results") as error, archive.unpacked(file):
        pass
    assert "\n" not in str(error.value)


def test_a_file_that_a_run_replaces_meanwhile_is_whole(tmp_path, monkeypatch):
    """As a trial's results.json is, by a longer one."""
    results = tmp_path / "results.json"
    results.write_bytes(b"short")

    def replaced_and_opened(path, mode):
        (tmp_path / "new").write_bytes(b"much longer")
        (tmp_path / "new").replace(path)
        return open(path, mode)

    monkeypatch.setattr(archive, "open", replaced_and_opened, raising=False)
    archive.write(tmp_path / "a.tar.xz", {"plans/a.json": b"{}", NAME: results})
    with tarfile.open(tmp_path / "a.tar.xz") as tar:
        assert tar.extractfile(NAME).read() == b"much longer"


def test_damaged_files_are_one_line(tmp_path, world):
    whole = world[1].read_bytes()
    contents = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"hello",
        "flipped": whole[:90] + b"\xff" + whole[91:],
    }
    for name, content in contents.items():
        file = tmp_path / f"{name}.tar.{'zst' if name == 'text' else 'xz'}"
        file.write_bytes(content)
        with pytest.raises(BadInput) as error, archive.unpacked(file):
            pass
        assert str(error.value).startswith(f"{file}: ") and "\n" not in str(error.value)
    with pytest.raises(BadInput, match="no such file"), archive.unpacked(tmp_path / "gone.tar.gz"):
        pass
    with (
        pytest.raises(BadInput, match=r"ends in \.tar\.xz or \.tar\.gz or \.tar\.zst"),
        archive.unpacked(tmp_path / "a.zip"),
    ):
        pass


def test_an_archive_without_a_plan(tmp_path):
    file = tmp_path / "a.tar.gz"
    with tarfile.open(file, "w:gz"):
        pass
    with pytest.raises(BadInput, match="no plan in it"), archive.unpacked(file):
        pass
