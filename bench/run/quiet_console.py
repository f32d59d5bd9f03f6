"""The console of `run --quiet`."""

from typing import Any

from rich.console import Console

SHOWN = ("yellow", "red")  # the styles of warnings and of failures


class QuietConsole(Console):
    """A console for stderr that prints warnings and failures alone. It is no terminal, so that nothing is animated."""

    def __init__(self, **options: Any):
        super().__init__(stderr=True, force_terminal=False, **options)

    def print(self, *texts: Any, style: str | None = None, **options: Any) -> None:
        if (style or getattr(texts[0] if texts else None, "style", None)) in SHOWN:
            super().print(*texts, style=style, **options)
