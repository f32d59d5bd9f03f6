"""Entry point of `python -m bench`."""

import sys

try:
    from bench.cli import main
except ModuleNotFoundError as error:  # a Python other than the one of `make setup`
    print(f"{error.name} is not installed here: make setup, then source .venv/bin/activate", file=sys.stderr)
    sys.exit(2)

if __name__ == "__main__":
    main()
