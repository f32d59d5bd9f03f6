"""`python -m bench.speed`: needs torch and numpy alone. `python -m bench.speed suite`: needs the suite's packages."""

import argparse
import json
import sys
from pathlib import Path

from bench.errors import BadInput
from bench.speed import bare

EXAMPLE = """example:
  python -m bench.speed --reference ../Once-for-All-Adversarial-Training --only resnet34 --rounds 5 --threads 2
  python -m bench.speed suite --help      # what the suite itself costs beside training"""


def parser() -> argparse.ArgumentParser:
    said = "Times our training steps and evaluation against the authors' code, or the same written plainly."
    found = argparse.ArgumentParser("python -m bench.speed", description=said, epilog=EXAMPLE)
    found.formatter_class = argparse.RawDescriptionHelpFormatter
    add = found.add_argument
    add("--reference", type=Path, metavar="DIR", help="a checkout of the authors' code; none for the plain step alone")
    add("--only", type=words, metavar="NETWORK,…", help="resnet34, wrn-16-8, wrn-10-2, digits, or any architecture")
    add("--tasks", type=words, metavar="TASK,…", help="oat, pgd_at, evaluation (default: all)")
    add("--rounds", type=positive, default=5, metavar="N", help="each side is timed once a round (default: 5)")
    add("--warmup", type=positive, default=2, metavar="N", help="steps of each side before (default: 2)")
    add("--threads", type=positive, metavar="N", help="of a CPU (default: torch's own; digits has 1)")
    add("--batch", type=positive, metavar="N", help="images, in place of the network's own number")
    add("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")
    add("--no-memory", action="store_true", help="leave out peak memory, which takes a process for each side")
    add("--out", type=Path, default=Path("runs/speed.json"), metavar="FILE", help="default: runs/speed.json")
    add("--page", type=Path, metavar="FILE", help="write the tables into this page too (docs/performance.md)")
    add("--one-step", metavar="SIDE", help=argparse.SUPPRESS)
    return found


def words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def speed(arguments: list[str]) -> None:
    options = parser().parse_args(arguments)
    bare.stand_in()
    import torch

    from bench.speed import measure, page, reference, tables
    from bench.speed.cases import TASKS, case

    options.command = shown(options)
    options.device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise BadInput("torch sees no CUDA device here: --device cpu")
    device = torch.device(options.device)
    for task in options.tasks or ():
        if task not in TASKS:
            raise BadInput(f"unknown task {task!r} (allowed: {', '.join(TASKS)})")
    for name in options.only or ():
        case(name, device, options.batch)
    options.reference = options.reference and reference.check(options.reference)
    marker = f"speed-{options.device}"
    if options.page:
        tables.check(options.page, marker)
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.one_step:
        print(json.dumps({"bytes": one_step(options, device)}))
        return
    found = measure.run(options, device, lambda text: print(text, file=sys.stderr, flush=True))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(page.speed_text(found))
    if options.page:
        tables.write(options.page, marker, page.speed_text(found))
    print(f"\n{options.out}", file=sys.stderr)


def shown(options) -> str:
    """The command without what is of this machine alone."""
    found = ["python -m bench.speed", *["--reference REFERENCE"] * bool(options.reference)]
    found += [f"--{name} {','.join(getattr(options, name))}" for name in ("only", "tasks") if getattr(options, name)]
    found += [f"--{name} {getattr(options, name)}" for name in ("rounds", "threads", "batch") if getattr(options, name)]
    return " ".join(found)


def one_step(options, device) -> int:
    from bench.speed import memory, sides
    from bench.speed.cases import case

    name, task = options.only[0], options.tasks[0]
    step = sides.of(options.one_step, case(name, device, options.batch), task, device, options.reference)
    return memory.of_one_step(step, device)


def main(arguments: list[str]) -> None:
    try:
        if arguments[:1] == ["suite"]:
            from bench.speed import suite

            suite.main(arguments[1:])
        else:
            speed(arguments)
    except BadInput as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(sys.argv[1:])
