"""`python -m bench.speed [gpu-check]` needs torch and numpy alone; `python -m bench.speed suite` needs the suite's
packages."""

import argparse
import json
import sys
from pathlib import Path

from bench.errors import BadInput
from bench.interruption import Interrupted, catch_signals
from bench.speed import pydantic_stub

EXAMPLES = """examples:
  python -m bench.speed --reference ../Once-for-All-Adversarial-Training --only resnet34 --rounds 5 --threads 2
  python -m bench.speed --against ../oat-bench-before --rounds 3      # is this checkout slower than that one?
  python -m bench.speed gpu-check --help  # what a GPU is worth, in ten minutes, as a page
  python -m bench.speed suite --help      # what the suite itself costs beside training"""


def parser() -> argparse.ArgumentParser:
    description = "Times training steps and evaluation against the authors' code, the eager engine or another checkout."
    parser = argparse.ArgumentParser("python -m bench.speed", description=description, epilog=EXAMPLES)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    baseline = parser.add_mutually_exclusive_group()
    baseline.add_argument("--reference", type=Path, metavar="DIR", help="a checkout of the authors' code")
    baseline.add_argument(
        "--against", type=Path, metavar="DIR", help="another checkout of this project (65cb194 or later)"
    )
    add = parser.add_argument
    add("--only", type=names, metavar="NETWORK,…", help="resnet34, wrn-16-8, wrn-10-2, digits, or any architecture")
    add("--tasks", type=names, metavar="TASK,…", help="oat, pgd_at, evaluation (default: all)")
    add("--precisions", type=names, metavar="PRECISION,…", help="with --against: fp32, bf16 (default: both)")
    add(
        "--rounds", type=positive, default=5, metavar="N", help="each implementation is timed once a round (default: 5)"
    )
    add("--warmup", type=positive, default=2, metavar="N", help="steps of each implementation before (default: 2)")
    add("--threads", type=positive, metavar="N", help="of a CPU (default: torch's own number; digits have 1)")
    add("--batch", type=positive, metavar="N", help="images, in place of the network's own number")
    add("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")
    add("--no-memory", action="store_true", help="leave out peak memory, which takes a process per implementation")
    add("--out", type=Path, metavar="FILE", help="default: runs/speed.json, with --against runs/speed-against.json")
    add("--page", type=Path, metavar="FILE", help="write the tables into this page too (docs/performance.md)")
    return parser


def names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def time_steps(arguments: list[str]) -> None:
    options = parser().parse_args(arguments)
    pydantic_stub.install_if_missing()
    import torch

    from bench.speed import authors_checkout, checkout_comparison, markdown_tables, step_benchmark, step_tables
    from bench.speed.workloads import TASKS, find_workload

    options.command = shown(options)
    options.device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise BadInput("torch sees no CUDA device here: --device cpu")
    device = torch.device(options.device)
    for task in options.tasks or ():
        if task not in TASKS:
            raise BadInput(f"unknown task {task!r} (allowed: {', '.join(TASKS)})")
    for precision in options.precisions or ():
        if precision not in ("fp32", "bf16"):
            raise BadInput(f"unknown precision {precision!r} (allowed: fp32, bf16)")
    for name in options.only or ():
        find_workload(name, device, options.batch)
    options.reference = options.reference and authors_checkout.check(options.reference)
    options.against = options.against and checkout_comparison.check(options.against)
    marker = "speed-against" if options.against else f"speed-{options.device}"
    if options.page:
        markdown_tables.check(options.page, marker)
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.against:
        result = checkout_comparison.compare(options, device, say)
        text = checkout_comparison.comparison_text(result)
    else:
        result = step_benchmark.benchmark(options, device, say)
        text = step_tables.benchmark_text(result)
    out = options.out or Path("runs") / ("speed-against.json" if options.against else "speed.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(text)
    if options.page:
        markdown_tables.write(options.page, marker, text)
    say(f"\n{out}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def shown(options) -> str:
    """The command without the paths of this machine."""
    parts = ["python -m bench.speed", *["--reference REFERENCE"] * bool(options.reference)]
    parts += ["--against AGAINST"] * bool(options.against)
    lists, numbers = ("only", "tasks", "precisions"), ("rounds", "threads", "batch")
    parts += [f"--{name} {','.join(getattr(options, name))}" for name in lists if getattr(options, name)]
    parts += [f"--{name} {getattr(options, name)}" for name in numbers if getattr(options, name)]
    return " ".join(parts)


def main(arguments: list[str]) -> None:
    try:
        if arguments[:1] == ["suite"]:
            from bench.speed import suite_cost

            suite_cost.main(arguments[1:])
        elif arguments[:1] == ["gpu-check"]:
            from bench.speed.gpu_check import command

            command.main(arguments[1:])
        else:
            time_steps(arguments)
    except BadInput as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except Interrupted as error:
        sys.exit(error.exit_code)


if __name__ == "__main__":
    catch_signals()
    main(sys.argv[1:])
