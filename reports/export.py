"""`python -m bench export`: plans and results of figures, or of all plans, as one archive for other people."""

from collections.abc import Collection, Sequence
from pathlib import Path

from bench import archive
from bench.errors import BadInput
from bench.human_units import format_bytes
from reports.build import check_known, choose_scale, remedy
from reports.load.formatting import counted
from reports.load.plans import read_plans


def export(
    figures: list[str] | None,
    runs: Path,
    out: Path,
    scale: str | None = None,
    chosen_plans: Sequence[str] = (),
    weights: bool = False,
) -> str:
    """Write the archive, and return a line on what is in it. Raises BadInput.

    figures None: all panels of all plans. scale None: of each figure, that of the newest plan that mentions it; without
    figures, all. chosen_plans: how the names of the plans begin; empty: all. weights: of the networks too.
    """
    archive.compression(out)  # a wrong name is refused before anything is read
    names = [check_known(name) for name in figures or ()]
    plans, _ = read_plans(runs, chosen_plans)
    if not plans:
        raise BadInput(f"no plan under {runs / 'plans'}: {remedy(names[0] if names else 'fig4')}")
    if names:
        scales = {choose_scale(plans, name, scale) for name in names}
    else:
        scales = {plan["scale"] for plan in plans if scale in (None, plan["scale"])}
        if not scales:
            raise BadInput(f"no plan at scale {scale}; there are {', '.join(sorted({p['scale'] for p in plans}))}")
    contents = archive.members(runs, scales, chosen_plans, names, weights)
    archive.write(out, contents)
    return f"{out}: {contents_text(contents)}, {format_bytes(out.stat().st_size)}"


def contents_text(names: Collection[str]) -> str:
    """How many plans, trials with results, and weights are in an archive. names: of its files."""
    plans = sum(name.startswith("plans/") for name in names)
    networks = sum(name.endswith("/results.json") for name in names)
    weights = sum(name.endswith("/weights.safetensors") for name in names)
    sets = "set of weights" if weights == 1 else "sets of weights"
    return f"{counted(plans, 'plan')}, {counted(networks, 'network')}, {weights} {sets}"
