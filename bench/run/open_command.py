"""The `open` verb: show the report in a browser."""

import os
import sys
import webbrowser
from pathlib import Path

from bench.errors import BadInput
from bench.run.next_command import next_command


def open_report(runs: Path, folder: Path | None, start_browser: bool) -> Path:
    """Return the path of the report's page, opened in a browser where this machine can show one.

    folder: of a report outside the runs directory. Raises BadInput where no report was drawn.
    """
    page = (folder or runs / "report") / "index.html"
    if not page.is_file():
        verb = f"python -m bench report --out {folder}" if folder else next_command("report", runs)
        raise BadInput(f"{page}: no report was drawn here yet: {verb}")
    if start_browser and can_show_a_browser():
        webbrowser.open(page.resolve().as_uri())
    return page


def can_show_a_browser() -> bool:
    """Whether there is a display, or the user has named a browser; else one in the terminal would be started."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))
