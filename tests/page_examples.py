"""The Python and YAML files that pages of docs/ show, and the registry as it was before they were loaded."""

import re
from collections.abc import Iterable
from pathlib import Path

PYTHON = re.compile(r"```python\n# (\w+\.py)\n(.*?)```", re.DOTALL)
SUITE = re.compile(r"```yaml\n(suite: ([\w-]+)\n.*?)```", re.DOTALL)


def examples(page: Path) -> dict[str, str]:
    """Files by name: Python blocks that begin with `# NAME.py`, and suites, named like the suite."""
    text = page.read_text("utf-8")
    return dict(PYTHON.findall(text)) | {f"{name}.yaml": content for content, name in SUITE.findall(text)}


def write_examples(pages: Iterable[Path], folder: Path) -> None:
    """Write the files of the pages to the folder."""
    for page in pages:
        for name, content in examples(page).items():
            (folder / name).write_text(content, "utf-8")
