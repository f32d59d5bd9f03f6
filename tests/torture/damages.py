"""Random damage to a file of a runs directory: `python -m tests.torture.damages SEED COUNT FOLDER`.

Each verb has to go on and draw no number that was not measured; `run` sets what is damaged aside, and loses nothing.
"""

import json
import random
import shutil
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from bench.run.execution_plan import ExecutionPlan
from tests.finished_runs import request, write_runs
from tests.test_damage import all_files, drawn_points, printed_by_all_verbs, repaired, replace_slow_parts

DAMAGES = ("flip", "cut", "insert", "repeat", "empty", "zeros", "alter", "delete", "other file", "folder")


def torture(seed: int, count: int, folder: Path) -> dict:
    """Returns {"tried", "noticed", "harmless", "failed", a count per damage}, and "failures": a line for each."""
    rng, counts, failures = random.Random(seed), Counter(), []
    with pytest.MonkeyPatch.context() as monkeypatch:
        replace_slow_parts(monkeypatch)
        folder.mkdir(parents=True, exist_ok=True)
        runs = write_runs(folder, monkeypatch)
        plan = ExecutionPlan.of(request(folder))
        keys, points = [trial.key for trial in plan.trials], drawn_points(runs)
        monkeypatch.setattr(ExecutionPlan, "of", lambda request: replace(plan, request=request))
        files = sorted(path.relative_to(runs) for path in runs.rglob("*") if path.is_file() and path.name != "lock")
        for number in range(count):
            copy = folder / f"copy{number}"
            shutil.copytree(runs, copy / "runs")
            name, damage = rng.choice(files), rng.choice(DAMAGES)
            shown = do_damage(copy / "runs" / name, damage, [runs / other for other in files], rng)
            try:
                counts[judge(copy, name, keys, points, monkeypatch)] += 1
            except Exception as error:
                failures.append(f"case {number}, {name}, {damage} {shown}: {type(error).__name__}: {error}"[:500])
            else:
                shutil.rmtree(copy)
            counts[damage] += 1
    return {"tried": count, **counts, "failed": len(failures), "failures": failures}


def do_damage(path: Path, damage: str, others: list[Path], rng: random.Random) -> str:
    """Damage the file. Returns where, for a failure's line."""
    content = path.read_bytes()
    place = rng.randrange(len(content))
    end = min(len(content), place + rng.choice([1, 2, 16, 512]))
    path.unlink()
    if damage == "delete":
        return ""
    if damage == "folder":
        path.mkdir()
        return ""
    if damage == "other file":
        other = rng.choice(others)
        path.write_bytes(other.read_bytes())
        return str(other)
    if damage == "alter":
        path.write_bytes(altered(content, rng))
        return ""
    part = {
        "flip": bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 : end],
        "cut": b"",
        "insert": rng.randbytes(3) + content[place:end],
        "repeat": 2 * content[place:end],
        "empty": b"",
        "zeros": bytes(end - place),
    }[damage]
    path.write_bytes(b"" if damage == "empty" else content[:place] + part + content[end:])
    return f"at {place}"


def altered(content: bytes, rng: random.Random) -> bytes:
    """The JSON with another value in one place; content that is no JSON with one digit more."""
    try:
        value = json.loads(content)
    except ValueError:
        return content + b"7"
    holder, key = value, None
    while isinstance(holder, dict | list) and holder:
        inside = holder
        key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
        holder = holder[key]
    if key is None:
        return b"1"
    inside[key] = rng.choice([holder + 1 if isinstance(holder, int | float) else "another", None, 0, "", [], -1e9])
    return json.dumps(value).encode()


def judge(folder: Path, name: Path, keys: list[str], points: set, monkeypatch) -> str:
    """noticed or harmless. Raises AssertionError where a number is wrong, or something is lost or forgotten."""
    runs = folder / "runs"
    printed = printed_by_all_verbs(folder, keys, monkeypatch)
    wrong = drawn_points(runs) - points
    assert not wrong, f"wrong numbers are drawn: {wrong}"
    before = all_files(runs)
    lines, remaining = repaired(folder)
    after = all_files(runs)
    rewritten = {"manifest.json", "machine.json"}
    kept = {text for file, text in before.items() if Path(file).name not in rewritten}
    assert kept <= set(after.values()), "the content of a file is lost"
    again, remaining_again = repaired(folder)
    assert remaining_again == remaining, f"{remaining_again} are left after {remaining}"
    assert name.parts[0] != "trials" or "is damaged" not in again, f"not set aside: {again}"
    assert not drawn_points(runs) - points, "wrong numbers are drawn after the repair"
    return "noticed" if f"{runs / name} is damaged" in printed + lines else "harmless"


if __name__ == "__main__":
    result = torture(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]).resolve())
    print(*result.pop("failures"), json.dumps(result), sep="\n")
    sys.exit(result["failed"] > 0)
