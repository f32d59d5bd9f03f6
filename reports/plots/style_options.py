"""What `report --style` and `--width` choose: settings of matplotlib over those of style.py, and widths of figures."""

import logging
from dataclasses import dataclass, field
from logging.handlers import BufferingHandler
from pathlib import Path

import matplotlib

from bench.errors import BadInput


@dataclass(frozen=True)
class Look:
    """rc: matplotlib's settings over the paper's. narrower: factor of each figure's own width; its type keeps its size
    in points. width: of every figure in inches, instead."""

    rc: dict = field(default_factory=dict)
    narrower: float = 1.0
    width: float | None = None


PAPER = Look()
BOLD = {"lines.linewidth": 1.6, "lines.markersize": 4.4, "axes.linewidth": 0.9, "grid.linewidth": 0.7}
BOLD |= {f"{axis}tick.major.width": 0.9 for axis in "xy"}
LOOKS = {"paper": PAPER, "slides": Look(BOLD | {"savefig.dpi": 450}, narrower=0.75)}  # a slide enlarges a figure


def parse_look(style: str = "paper", width: float | None = None) -> Look:
    """style: of LOOKS, or a style file of matplotlib. Raises BadInput."""
    look = LOOKS[style] if style in LOOKS else Look(read_style_file(Path(style)))
    return Look(look.rc, look.narrower, width)


def read_style_file(path: Path) -> dict:
    """The settings in a style file. Raises BadInput, also for a setting that matplotlib does not know."""
    if not path.is_file():
        raise BadInput(f"--style {path}: no such style file; built in are {' and '.join(LOOKS)}")
    warnings = BufferingHandler(1000)
    warnings.setLevel(logging.WARNING)
    logger = logging.getLogger("matplotlib")
    logger.addHandler(warnings)
    try:
        rc = matplotlib.rc_params_from_file(path, fail_on_error=True, use_default_template=False)
    except (ValueError, OSError) as error:
        raise BadInput(f"--style {path}: {error}") from None
    finally:
        logger.removeHandler(warnings)
    if warnings.buffer:
        raise BadInput(f"--style {path}: {warnings.buffer[0].getMessage().strip().splitlines()[0]}")
    return {name: rc[name] for name in rc}
