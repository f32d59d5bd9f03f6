"""The command `python -m bench.speed gpu-check`: parts one after another, each in a process with a time limit.

The command itself imports no torch, so that nothing it does can hang in a driver.
"""

import argparse
import sys
from contextlib import closing
from pathlib import Path
from time import monotonic

from bench.errors import BadInput, unknown
from bench.interruption import Interrupted, catch_signals
from bench.speed import markdown_tables
from bench.speed.gpu_check import recommendation
from bench.speed.gpu_check.page import summary_text
from bench.speed.gpu_check.part_process import GRACE_SECONDS, PartFailed, PartStopped, part_rows
from bench.speed.gpu_check.parts import CPU_NETWORKS, NETWORKS, PARTS, Request
from bench.speed.gpu_check.report import DONE, RUNNING, Report

MARKER = "gpu-check"  # of --page
LEAST_SECONDS = 30  # for a part, whose process imports torch first


DESCRIPTION = """Measures what a GPU is worth to this suite, and writes a page. All parts but the last need torch and
numpy alone. On a machine without a GPU, small sizes exercise the code."""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m bench.speed gpu-check", description=DESCRIPTION)
    add = parser.add_argument
    add("--minutes", type=minutes, default=10.0, metavar="N", help="the command ends by then (default: 10)")
    add("--reference", type=Path, metavar="DIR", help="a checkout of the authors' code, to compare with")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: cuda where torch can use it")
    add("--only", type=names, metavar="PART,…", help=f"of {', '.join(PARTS)} (default: all; device is always measured)")
    networks = f"default: {','.join(NETWORKS)}; on a CPU {','.join(CPU_NETWORKS)}"
    add("--networks", type=names, default=[], metavar="NETWORK,…", help=networks)
    add("--batch", type=int, metavar="N", help="images of a step (default: 128, on a CPU 4)")
    add("--out", type=Path, default=Path("runs"), metavar="DIR", help="for gpu-check.md and .json (default: runs)")
    add("--page", type=Path, metavar="FILE", help="write the summary into this page too (docs/performance.md)")
    return parser


def minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.5 <= value < 1e4:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes, at least 0.5")
    return value


def names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def main(arguments: list[str]) -> None:
    """Exit with 0 if all is well, 1 if a part failed or a check is not passed, 130 or 143 after a signal."""
    started = monotonic()
    options = parser().parse_args(arguments)
    check(options)
    catch_signals()
    chosen = ["device", *(name for name in PARTS if name in (options.only or PARTS) and name != "device")]
    command = " ".join(["python -m bench.speed gpu-check", *shown(options)])
    report = Report(options.out, command, options.minutes, chosen)
    end = started + 60 * options.minutes - 2 * GRACE_SECONDS
    try:
        for index, name in enumerate(chosen):
            share = PARTS[name].share / sum(PARTS[other].share for other in chosen[index:])
            left = end - monotonic()
            if left > 0:
                run_part(name, min(left, max(share * left, LEAST_SECONDS)), options, report)
    except Interrupted as error:
        sys.exit(error.exit_code)
    finally:
        print(report.page_file.read_text(encoding="utf-8"))
        print(f"{report.page_file}, {report.json_file}", file=sys.stderr)
    if options.page:
        markdown_tables.write(options.page, MARKER, summary_text(report.results))
    sys.exit(1 if recommendation.problems(report.results) else 0)


def check(options: argparse.Namespace) -> None:
    """Raise BadInput for what would fail later."""
    for name in options.only or ():
        if name not in PARTS:
            raise BadInput(unknown("part", name, PARTS))
    if options.reference and not (options.reference / "OAT.py").is_file():
        raise BadInput(f"{options.reference} has no OAT.py: --reference names a checkout of the authors' code")
    if options.batch is not None and options.batch < 2:
        raise BadInput(f"--batch {options.batch}: a step needs at least 2 images")
    if options.page:
        markdown_tables.check(options.page, MARKER)


def run_part(name: str, seconds: float, options: argparse.Namespace, report: Report) -> None:
    """Run a part, for as many seconds at most. Raises BadInput where torch cannot use the device."""
    reference = options.reference and str(options.reference.resolve())
    device = report.device().get("type", options.device)
    request = Request(device, seconds, tuple(options.networks), options.batch, reference)
    began, state = monotonic(), RUNNING
    print(f"{PARTS[name].title}: {seconds:.0f} s at most", file=sys.stderr, flush=True)
    report.update(name, 0.0, state)
    try:
        with closing(part_rows(name, request)) as rows:
            for row in rows:
                if "skipped" in row:
                    state = f"skipped: {row['skipped']}"
                else:
                    report.update(name, monotonic() - began, state, row)
        state = DONE if state == RUNNING else state
    except PartStopped:
        state = f"stopped after its {seconds:.0f} s"
    except PartFailed as error:
        state = f"failed: {error}"
    except BaseException:
        state = "interrupted"
        raise
    finally:
        report.update(name, monotonic() - began, state)
    if not report.device():  # nothing else can be measured
        raise BadInput(f"{PARTS[name].title}: {state.removeprefix('failed: ')}")


def shown(options: argparse.Namespace) -> list[str]:
    """The options that were given, without the paths of this machine."""
    words = [f"--minutes {options.minutes:g}"] + ["--reference REFERENCE"] * bool(options.reference)
    words += [f"--device {options.device}"] * (options.device != "auto")
    words += [f"--only {','.join(options.only)}"] if options.only else []
    words += [f"--networks {','.join(options.networks)}"] * bool(options.networks)
    return words + ([f"--batch {options.batch}"] if options.batch else [])
