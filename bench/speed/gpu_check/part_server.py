"""Child process that runs one part and prints its rows, one JSON object a line:
`python -m bench.speed.gpu_check.part_server PART REQUEST`."""

import json
import os
import sys
from typing import TextIO

from bench.errors import BadInput
from bench.interruption import Interrupted, catch_signals
from bench.speed import pydantic_stub
from bench.speed.gpu_check.parts import PARTS, Request


def print_rows(name: str, request: Request, out: TextIO) -> None:
    """Run a part in IEEE fp32, as trials do."""
    pydantic_stub.install_if_missing()
    from bench.engines.precision import use_ieee_fp32
    from bench.spec.registry import resolve

    use_ieee_fp32()
    for row in resolve(PARTS[name])(request):
        print(json.dumps(row), file=out, flush=True)


def main(name: str, request: str) -> None:
    catch_signals()  # so that a part that is ended ends its own child processes
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints goes to stderr
    try:
        print_rows(name, Request(**json.loads(request)), out)
    except BadInput as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except Interrupted as error:
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
