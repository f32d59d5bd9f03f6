"""Print rows and tables without cutting anything."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

GAP = "  "
LEAST_FOLDED = 24  # characters of the column that folds


def print_rows(header: Sequence[str], rows: Sequence[Sequence[str]], out: Console, folds: int = 1) -> None:
    """Print the rows below the header.

    On a terminal that is too narrow, column number `folds` is folded; where this does not help, and in files and pipes,
    every row is one whole line.
    """
    widths = [max(cell_len(text) for text in column) for column in zip(header, *rows, strict=True)]
    total, room = sum(widths) + len(GAP) * (len(widths) - 1), out.width
    if out.is_terminal and total > room >= total - widths[folds] + LEAST_FOLDED:
        table = Table(box=None, header_style="dim", padding=(0, len(GAP), 0, 0), pad_edge=False)
        for number, name in enumerate(header):
            table.add_column(name, no_wrap=number != folds, overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        out.print(table)
        return
    aligned = not out.is_terminal or total <= room
    for number, row in enumerate((header, *rows)):
        cells = [text + " " * (width - cell_len(text)) * aligned for text, width in zip(row, widths, strict=True)]
        out.print(Text(GAP.join(cells).rstrip(), style="dim" if number == 0 else ""), soft_wrap=True)


def print_whole(table: Table, out: Console) -> None:
    """Print a table at its natural width, also on a terminal that is narrower and wraps its lines."""
    width = out.measure(table, options=out.options.update(width=10_000)).maximum
    for line in out.render_lines(table, out.options.update(width=width)):
        out.print(Segments([*line, Segment.line()]), soft_wrap=True, end="")
