"""`python -m bench report`: plans and results → figures, CSV files, verdicts on the claims, and a page."""

from collections.abc import Callable, Sequence
from pathlib import Path

from bench import archive
from bench.errors import BadInput, unknown
from bench.spec.paper_diagrams import DIAGRAMS
from reports.claims import judge
from reports.figures import FIGURES
from reports.figures.figure_files import write_figure
from reports.load.panels import load_view
from reports.load.plans import plans_of, read_plans
from reports.page import report_pages
from reports.plots.style_options import PAPER, Look


def build(
    figures: list[str] | None,
    runs: Path,
    out: Path,
    scale: str | None = None,
    formats: Sequence[str] | None = None,
    archive_file: Path | None = None,
    warn: Callable[[str], None] = lambda text: None,
    chosen_plans: Sequence[str] = (),
    look: Look = PAPER,
) -> list[Path]:
    """Write figures (None: all that a plan mentions), claims, index.html and README.md. Returns all files.

    scale None: that of the newest plan that mentions the figure. formats None: all. archive_file: to be written, with
    the plans and results of the drawn scales (bench/archive.py). warn: is told what is damaged, a line for each file.
    chosen_plans: how the names of the plans begin; empty: all. look: of `report --style` and `--width`. The same runs
    give the same bytes. Raises BadInput.
    """
    names = [check_known(name) for name in figures or ()]
    plans, notes = read_plans(runs, chosen_plans)
    if not plans:
        raise BadInput(f"no plan under {runs / 'plans'}: {remedy(names[0] if names else 'fig4')}")
    names = names or [name for name in FIGURES if plans_of(name, plans)]
    if not names:
        raise BadInput(f"no plan under {runs / 'plans'} mentions {' or '.join(FIGURES)}: {remedy('fig4')}")
    of_scale = [plan for plan in plans if scale in (None, plan["scale"])]
    scales = {name: choose_scale(plans, name, scale) for name in names if figures or plans_of(name, of_scale)}
    if not scales:
        raise BadInput(f"no plan at scale {scale}; there are {', '.join(sorted({p['scale'] for p in plans}))}")
    out.mkdir(parents=True, exist_ok=True)
    written, damages = [], dict.fromkeys(notes)
    for name, chosen in scales.items():
        view = load_view(plans, runs, name, chosen, FIGURES[name].keep)
        view.notes.extend(notes)
        unreadable = view.trials[view.trials.status == "unreadable"]
        damages |= dict.fromkeys(f"{t.key} {t.name}: {t.note}" for t in unreadable.itertuples(index=False))
        written += write_figure(FIGURES[name], view, out, formats, look)
    damages |= dict.fromkeys(report_pages.read_pages(out)[1])
    for text in damages:
        warn(text)
    written += [*judge.write(plans, runs, out, scales), *report_pages.write_pages(out, scales)]
    if archive_file:
        written.append(archive.write(archive_file, archive.members(runs, set(scales.values()), chosen_plans)))
    return written


def check_known(name: str) -> str:
    if name in FIGURES:
        return name
    if name in DIAGRAMS:
        raise BadInput(f"{DIAGRAMS[name]}; figures of results: {', '.join(FIGURES)}")
    raise BadInput(unknown("figure", name, FIGURES))


def remedy(name: str) -> str:
    suite = FIGURES[name].suite
    return f"run `python -m bench run suites/{suite}.yaml` first, or name another directory with --runs"


def choose_scale(plans: list[dict], name: str, scale: str | None = None) -> str:
    """The scale, or that of the newest plan that mentions the figure. plans: oldest first. Raises BadInput."""
    scales = [plan["scale"] for plan in plans_of(name, plans)]
    if not scales:
        raise BadInput(f"no plan mentions {name}: {remedy(name)}")
    if scale not in (None, *scales):
        there = f"take --scale {', '.join(sorted(set(scales)))}, or run it at that scale first"
        raise BadInput(f"no plan mentions {name} at scale {scale}: {there}")
    return scale or scales[-1]
