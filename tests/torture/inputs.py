"""Mutated suites, scales and options through the command line's `plan`, and through the plan files that `run` writes.

`python -m tests.torture.inputs SEED COUNT FOLDER` prints the counts, and each failure with the number that repeats it.
A case is fine, or refused in one line with exit code 2. It fails by a traceback, by more than MAX_SECONDS of CPU time
beside those in which a good plan times a pass of each network, by hanging, and by any file outside the runs directory
and the data cache.
"""

import contextlib
import gc
import io
import json
import os
import random
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import yaml

from bench import ROOT, cli
from bench.run import image_pass_timing, plan_command
from bench.run.plan_files import write_plan

MAX_SECONDS, HANGS = 5, 120  # CPU time of a case, wall time
CASES_PER_PROCESS = 100
SUITES = sorted((ROOT / "suites").rglob("*.yaml"))
SUITES = [path for path in SUITES if path.parent.name != "scales"]
SCALE = ROOT / "suites" / "scales" / "smoke.yaml"

NAMES = ["../../escaped"] * 3 + ["../escaped", "a/b", "/proc/escaped", "..", "", "x" * 300, "a\0b", "\ud800", "a b"]
VALUES = [None, True, False, 0, -1, 1, 2, 3.5, 1e9, 10**9, 10**30, -(10**18), 1e308, float("inf"), float("nan"), ""]
VALUES += [
    "../../escaped",
    "a/b",
    ".",
    "..",
    "/etc/passwd",
    "C:\\x",
    "-rf",
    "a" * 300,
    "x\ny",
    "é",
    "λ",
    "💥",
    "%s",
    "{}",
]
VALUES += ["[/red]", "<script>alert(1)</script>", "$\\frac$", "`id`", "$(id)", ":smile:", "1e9", "8/255", "1/0", "0x10"]
VALUES += [[], {}, [[]], [1, 1], [0, 0.5], ["S1"], {"a": 1}, [None], [True], list(range(3000)), ["x"] * 3000]
VALUES += ["S1", "S1-S1", "S1+" * 500 + "S1", "S9", "wrn-10-500", "wrn-1000-1", "wrn-10-0", "wrn-16-2", "resnet34"]
VALUES += ["wrn-١٠-1", "ro-1000000", "ro-16", "ro-0016", "dct-128", "onehot", "none", "dual", "normal", "dual-affine"]
VALUES += ["oat", "pgd_at", "oat_trades", "pgd20", "square", "autoattack", "masking", "transfer", "saliency", "+10%"]
VALUES += ["+99999999999%", "authors-code", {"film": "authors"}, {"encoding_seed": 10**40}, "bf16", "auto"]
TOKENS = [
    "[",
    "]",
    "{",
    "}",
    "&a",
    "*a",
    "<<: *a",
    "!!bool x",
    "!!binary AAAA",
    "!!python/name:os.system",
    "? [a]",
    "\t",
]
TOKENS += [
    "\x00",
    "\ufeff",
    "\u2028",
    "\x85",
    '"\\ud800"',
    '"\\0"',
    '"\\U00110000"',
    "- ",
    ": ",
    '"',
    "'",
    "#",
    "|",
    ">",
]
TOKENS += ["2020-13-45", "1:1:1", "1e999", "0b2", ".nan", "~", "---", "...", "%YAML 9.9", "yes", "=", "<<", "9" * 5000]
FIELDS = ["epochs", "lr", "arch", "encoding", "batch", "heldout", "pool", "method", "norm", "lam", "lambdas", "widths"]
FIELDS += ["attack_steps", "epsilon", "schedule", "momentum", "weight_decay", "dropout", "protocol", "film", "beta"]
FIELDS += ["encoding_seed", "precision", "augment", "lam_density", "seed", "dataset", "nothing", "protocol.dct", ""]


def torture(seed: int, count: int, folder: Path) -> dict:
    """Try `count` cases. Returns {"tried", "fine", "refused", "failed", "failures": [one line each]}."""
    counts = {"tried": 0, "fine": 0, "refused": 0, "failed": 0, "failures": []}
    place = folder / "outer" / "inner"  # so that `../..` can be seen
    place.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(place), mock.patch.object(image_pass_timing, "MIN_SECONDS", 0.01):
        outcomes = in_forks(lambda number: attempt(random.Random(f"{seed}-{number}"), folder, place), count)
        for number, (outcome, about) in enumerate(outcomes):
            counts["tried"] += 1
            counts[outcome] += 1
            if outcome == "failed":
                counts["failures"].append(f"case {seed}-{number}: {about}")
    return counts


def in_forks(function: Callable[[int], tuple], count: int) -> Iterator[tuple]:
    """Yield function(0), …, function(count - 1). A process computes CASES_PER_PROCESS of them, since what one plan
    caches is of no use to the next: 3,000 plans in one process took 13 GB."""
    gc.freeze()  # or each process would copy all modules at its first collection of garbage
    for start in range(0, count, CASES_PER_PROCESS):
        numbers = range(start, min(start + CASES_PER_PROCESS, count))
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            try:
                with os.fdopen(writer, "w") as stream:
                    for number in numbers:
                        print(json.dumps(function(number)), file=stream, flush=True)
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as stream:
            results = [tuple(json.loads(line)) for line in stream]
        os.waitpid(child, 0)
        yield from results
        if len(results) < len(numbers):
            yield from [("failed", "its process, or that of an earlier case, died")] * (len(numbers) - len(results))


def attempt(rng: random.Random, folder: Path, place: Path) -> tuple[str, str]:
    """Make one case and plan it. Returns (fine, refused or failed; what went wrong)."""
    suite, scale = rng.choice(SUITES).read_text("utf-8"), SCALE.read_text("utf-8")
    options: list[str] = []
    for _ in range(rng.randint(1, 2)):
        target = rng.random()
        if target < 0.45:
            suite = mutated(suite, rng)
        elif target < 0.65:
            scale = mutated(scale, rng)
        else:
            options += hostile_option(rng, place)
    for name, text in (("suite.yaml", suite), ("scale.yaml", scale)):
        (place / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    arguments = ["plan", "suite.yaml", "--json", *options]
    for name, value in (("--scale", "scale.yaml"), ("--runs", "runs"), ("--data", "data")):
        arguments += [] if name in options else [name, value]
    before = files_outside(folder, place)
    code, stderr, error, seconds = run(arguments)
    strays = files_outside(folder, place) - before
    lines = [line for line in stderr.splitlines() if line.strip()]
    if error:
        return "failed", f"{error}; {arguments}"
    if strays:
        return "failed", f"files outside: {sorted(map(str, strays))}; {arguments}"
    if seconds > MAX_SECONDS:
        return "failed", f"{seconds:.1f} s; {arguments}"
    if code == 0:
        return "fine", ""
    if code == 2 and len(lines) == 1:
        return "refused", ""
    return "failed", f"exit code {code}, {len(lines)} lines: {stderr[:300]!r}; {arguments}"


def run(arguments: list[str]) -> tuple[int | None, str, str, float]:
    """(exit code, stderr, exception, CPU seconds without timed passes) of the command line in this process."""
    out, err, error, code = io.StringIO(), io.StringIO(), "", None
    original, started = plan_command.print_plan, time.process_time()
    time_here, timed = image_pass_timing.time_here, []

    def time_pass(*arguments) -> float:
        before = time.process_time()
        seconds = time_here(*arguments)
        timed.append(time.process_time() - before)
        return seconds

    def plan_and_write(request, *options) -> None:
        original(request, *options)
        for plan in request.plans():
            write_plan(plan, request.runs, " ".join(arguments))

    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError(f"hangs for {HANGS} s")))
    signal.alarm(HANGS)
    patched = mock.patch.object(plan_command, "print_plan", plan_and_write)
    passes = mock.patch.object(image_pass_timing, "time_here", time_pass)
    try:
        with patched, passes, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.run_command_line(arguments)
        if code == 0:
            json.loads(out.getvalue())
    except BaseException as exception:  # SystemExit too: the command line returns a code
        if isinstance(exception, KeyboardInterrupt):
            raise
        frame = traceback.extract_tb(exception.__traceback__)[-1]
        error = f"{type(exception).__name__}: {str(exception)[:200]} ({Path(frame.filename).name}:{frame.lineno})"
    finally:
        signal.alarm(0)
    return code, err.getvalue(), error, time.process_time() - started - sum(timed)


def files_outside(folder: Path, place: Path) -> set[Path]:
    """All files and folders but those of the runs directory and the data cache."""
    inside = (place / "runs", place / "data")
    return {path for path in folder.rglob("*") if not any(path.is_relative_to(root) for root in inside)}


def mutated(text: str, rng: random.Random) -> str:
    """The file with a value, a name, or some characters replaced; or a bomb in its place."""
    kind = rng.random()
    if kind < 0.15:
        return renamed(text, rng)
    if kind < 0.6:
        return revalued(text, rng)
    if kind < 0.95:
        start = rng.randrange(len(text))
        return text[:start] + rng.choice(TOKENS) + text[start + rng.randint(0, 12) :]
    bombs = ["a: " + "[" * 3000, "a: &a [*a]\n", "x" * 300_000, "", "\x00\x00", "- a\n", "{" * 500, "a: &a {<<: *a}\n"]
    aliases = "".join(f"a{i}: &a{i} [{', '.join(f'*a{i - 1}' for _ in range(9))}]\n" for i in range(1, 12))
    return rng.choice([*bombs, "a0: &a0 [x]\n" + aliases, text + "\na0: &a0 [x]\n" + aliases])


def renamed(text: str, rng: random.Random) -> str:
    """The file with another name of its suite or scale, which may lead out of the runs directory."""
    return re.sub(r"(?m)^(suite|scale): .*$", lambda line: f"{line[1]}: {json.dumps(rng.choice(NAMES))}", text)


def revalued(text: str, rng: random.Random) -> str:
    """The file with one value replaced, one key renamed, or one entry removed or repeated."""
    try:
        data = yaml.safe_load(text)
        holder, key = rng.choice(list(places(data)))
    except (
        yaml.YAMLError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
    ):  # PyYAML's, of bad tags
        return text
    change = rng.random()
    if change < 0.7:
        holder[key] = rng.choice(VALUES)
    elif change < 0.8 and isinstance(holder, dict):
        holder[str(rng.choice(VALUES))] = holder.pop(key)
    elif change < 0.9:
        del holder[key]
    elif isinstance(holder, list):
        holder += [holder[key]] * rng.choice([1, 100, 2000])
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=False)


def places(data, seen: set[int] | None = None) -> list[tuple]:
    """(container, key or index) of every value in plain data; of a container with several aliases once."""
    seen = set() if seen is None else seen
    if id(data) in seen or not isinstance(data, dict | list):
        return []
    seen.add(id(data))
    items = list(data.items() if isinstance(data, dict) else enumerate(data))
    return [(data, key) for key, _ in items] + [place for _, value in items for place in places(value, seen)]


def hostile_option(rng: random.Random, place: Path) -> list[str]:
    """One option of `plan` with a value that may be wrong in any way."""
    value = rng.choice([*VALUES, *TOKENS])
    text = value if isinstance(value, str) else json.dumps(value)
    paths = [
        str(place),
        "/dev/zero",
        "/dev/null",
        "/proc/self/mem",
        str(place / "suite.yaml"),
        "~nobody",
        "\udcff",
        "a\0b",
    ]
    numbers = ["0", "-1", "1", "2", "100000", "9" * 5000, "1e3", "nan", "inf", "x", ""]
    option = rng.choice(
        ["--set"] * 6 + ["--seeds", "--only", "--dataset", "--scale", "--cpus-per-trial", "--gpus-per-trial"]
    )
    match option:
        case "--set":
            return [option, f"{rng.choice(FIELDS)}={text}" if rng.random() < 0.95 else text]
        case "--dataset":
            name = rng.choice(["svhn", "cifar10", "digits", text])
            return [option, rng.choice([f"{name}={rng.choice([*paths, text])}", name])]
        case "--scale":
            return [option, rng.choice([text, f"{text}.yaml", *paths, *(f"{path}.yaml" for path in paths)])]
        case "--only":
            return [option, rng.choice(["cifar10", "svhn", text])]
    return [option, rng.choice([*numbers, text])]


if __name__ == "__main__":
    result = torture(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]).resolve())
    print(*result.pop("failures"), json.dumps(result), sep="\n")
