"""Entry point of `python -m bench`, and of the script `oat-bench`."""

import sys

from bench.interruption import catch_signals, exit_at_once


def main() -> None:
    """Run one command with the process's arguments, and exit with its code."""
    catch_signals(exit_at_once)  # before the imports below, half a second or, on a busy machine, many
    try:
        from bench.cli import main
    except ModuleNotFoundError as error:  # a Python other than the one of `make setup`
        print(f"{error.name} is not installed here: make setup, then source .venv/bin/activate", file=sys.stderr)
        sys.exit(2)
    main()


if __name__ == "__main__":
    main()
