"""`make torture`: mistype, feed, damage and kill the suite, and fill its disk.

Prints what was tried, fine and failed, with the seed.
"""

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from tests.torture import damages, data, full_disk, inputs, kills

KINDS = {
    "inputs": lambda seed, share, folder: inputs.torture(seed, round(3000 * share), folder),
    "data": lambda seed, share, folder: data.torture(seed, round(400 * share), folder),
    "damages": lambda seed, share, folder: damages.torture(seed, round(400 * share), folder),
    "full disk": lambda seed, share, folder: full_disk.torture(seed, max(1, round(2 * share)), folder),
    "kills": lambda seed, share, folder: kills.torture(seed, 10 * share, folder),
}

SHARES = "of 3,000 inputs, 400 data sets, 400 damages, 2 full disks and 10 minutes of kills (default: 1)"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=None, help="repeats an earlier call (default: random)")
    parser.add_argument("--only", choices=KINDS, default=None, help="one kind (default: all)")
    parser.add_argument("--share", type=float, default=1.0, help=SHARES)
    arguments = parser.parse_args()
    seed = random.randrange(10**6) if arguments.seed is None else arguments.seed
    failed = 0
    for name in [arguments.only] if arguments.only else KINDS:
        with tempfile.TemporaryDirectory(prefix="torture-") as folder:
            counts = KINDS[name](seed, arguments.share, Path(folder).resolve())
        failures = counts.pop("failures")
        print(f"{name}, seed {seed}: {json.dumps(counts)}", *failures, sep="\n  ", flush=True)
        failed += len(failures)
    sys.exit(min(failed, 1))


if __name__ == "__main__":
    main()
