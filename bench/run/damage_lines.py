"""Print what is damaged: one line per file, in the same words for every verb."""

from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

from bench.damaged_files import Damaged

REMEDY = "`run` sets the damaged files of its suites aside and makes them anew"


def print_damages(damages: Iterable[Damaged], console: Console) -> None:
    """Print a line per damaged file, and what becomes of them."""
    lines = list(dict.fromkeys(map(str, damages)))
    for line in lines:
        console.print(Text(line, style="yellow"), soft_wrap=True)
    if lines:
        console.print(REMEDY, style="yellow", soft_wrap=True)
