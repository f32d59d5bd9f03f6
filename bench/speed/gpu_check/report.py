"""The results of a check: a JSON file and a Markdown page, written again after each row, so that a kill loses none."""

from pathlib import Path

from bench import atomic_write
from bench.speed.gpu_check.page import page_text
from bench.speed.gpu_check.parts import PARTS

NOT_REACHED, RUNNING, DONE = "not reached", "running", "done"


class Report:
    """`results`: {"command", "minutes", "seconds" so far, "parts": {name: {"state", "seconds", "rows"}}}.

    A part's state: not reached, running, done, or why it ended early.
    """

    def __init__(self, folder: Path, command: str, minutes: float, names: list[str]):
        self.json_file, self.page_file = folder / "gpu-check.json", folder / "gpu-check.md"
        parts = {name: {"state": NOT_REACHED, "seconds": 0.0, "rows": []} for name in PARTS if name in names}
        self.results = {"command": command, "minutes": minutes, "seconds": 0.0, "parts": parts}
        folder.mkdir(parents=True, exist_ok=True)
        self.write()

    def update(self, name: str, seconds: float, state: str, row: dict | None = None) -> None:
        """Set a part's state and its seconds so far, and add a row if given."""
        part = self.results["parts"][name]
        self.results["seconds"] += seconds - part["seconds"]
        part |= {"state": state, "seconds": seconds}
        part["rows"] += [] if row is None else [row]
        self.write()

    def write(self) -> None:
        atomic_write.write_json(self.json_file, self.results)
        atomic_write.write_text(self.page_file, page_text(self.results))

    def device(self) -> dict:
        """Facts of the device; empty until they are known."""
        rows = self.results["parts"]["device"]["rows"]
        return rows[0] if rows else {}
