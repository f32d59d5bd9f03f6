"""Cells and tables that the pages of speed have in common. Imports no torch."""

from bench.speed.markdown_tables import markdown


def speedup_text(speedup: dict | None) -> str:
    """A ratio of interleaved timings with its range; 1 for None, the side that others are compared with."""
    return "1" if speedup is None else f"**{speedup['median']:.2f}** ({speedup['low']:.2f}–{speedup['high']:.2f})"


def kinds_table(title: str, columns: dict[str, dict[str, float]]) -> str:
    """Milliseconds and share of a step by kind of work; empty without columns. `columns`: {name: {kind: seconds}}."""
    if not columns:
        return ""
    rows = [[title, *columns]]
    for kind in next(iter(columns.values())):
        if any(seconds[kind] for seconds in columns.values()):
            rows.append([kind, *(share_text(seconds, kind) for seconds in columns.values())])
    return markdown(rows)


def share_text(seconds: dict[str, float], kind: str) -> str:
    return f"{1000 * seconds[kind]:,.1f} ({seconds[kind] / sum(seconds.values()):.0%})"
