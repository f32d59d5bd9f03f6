"""`python -m bench`."""

import sys

try:
    from bench.cli import main
except ModuleNotFoundError as missing:  # another Python than the one that `make setup` has filled
    print(f"{missing.name} is not installed here: make setup, then source .venv/bin/activate", file=sys.stderr)
    sys.exit(2)

if __name__ == "__main__":
    main()
