"""Write runs directories for Figures 5, 6, 7, 9, 13, App. C and `protocol`, with plausible numbers."""

import hashlib
import shutil
from pathlib import Path

import numpy as np

from bench.spec.lambda_sets import S1, S2, S3, S4
from reports.figures import FIGURES
from reports.load.panels import View, load_view
from reports.load.plans import read_plans
from reports.plots import style
from tests.reports import synthetic

ALL = tuple(sorted({*S1, *S2, *S3}))
RECIPE = {"method": "oat", "norm": "dual", "lam": None, "lambdas": list(S1), "encoding": "ro-128", "widths": []}
RECIPE |= {"lam_density": "set", "dropout": 0.0, "batch": 64, "epochs": 15, "augment": "none"}
PROTOCOL = {"step_rule": "quarter", "film": "paper", "selection": "one", "unseen": "interpolate", "film_init": "one"}
PROTOCOL |= {"lam_sampling": "iid", "dct": "orthonormal"}


def network(label: str, seed: int, lam: float | None = None, dataset="digits", protocol=None, **fields) -> dict:
    """Trial as plans list it. fields, protocol: the recipe's differences from the default."""
    trial = synthetic.planned(label, lam, seed, dataset, "wrn-10-1")
    pgd_at = {"method": "pgd_at", "norm": "normal", "lam": lam, "lambdas": [], "encoding": "none"}
    recipe = RECIPE | (pgd_at if lam is not None else {}) | {"seed": seed, "dataset": dataset, "lr": 0.1} | fields
    recipe["protocol"] = PROTOCOL | (protocol or {})
    trial |= {"method": recipe["method"], "norm": recipe["norm"], "slimmable": bool(recipe["widths"])}
    trial["measurements"] = [hashlib.sha256(f"{label}{dataset}".encode()).hexdigest()[:16]]
    return trial | {"recipe": recipe}


def panel(trials: list[dict], figures: list[str], experiment: str, stands_for="cifar10", dataset="digits") -> dict:
    return synthetic.panel(trials, dataset, stands_for) | {"figures": figures, "experiment": experiment}


def shape(label: str, lam: float, width: float = 1.0, attack: str = "pgd7") -> tuple[float, float]:
    """SA and RA in percent, smooth in λ."""
    sa, ra = 97 - 4.5 * lam**0.6, 8 + 54 * lam**0.45 if lam else 4.0
    if not label.startswith("PGD-AT"):
        sa, ra = 96.4 - 2.4 * lam, 38 + 24 * lam**0.5
    if "normal BN" in label and "S4" not in label:
        sa, ra = 94.5 - 1.0 * lam, 58 + 3 * lam
    if label == "OATS (normal BN)":
        sa, ra = 20 + 5 * lam, 11.0
    sa -= 0.8 * ("S2" in label) + {"none (scalar λ)": 1.1, "DCT-16": 0.6, "RO-16": 0.4}.get(label, 0)
    ra += {"fgsm": 9, "mifgsm": -1, "pgd20": -3}.get(attack, 0) + 0.6 * ("S2" in label)
    return sa - 3 * (1 - width), max(ra - 6 * (1 - width), 0)


def finish(
    runs: Path, trials: list[dict], lambdas=S1, widths=(1.0,), attacks=("pgd7",), n=450, move=None, step=0.075
) -> None:
    """Write results of trials. lambdas: of conditional networks; move: label → added SA and RA in percentage points."""
    for trial in trials:
        rows = []
        for width in widths:
            for attack in attacks:
                for lam in lambdas if trial["lam"] is None else (trial["lam"],):
                    noise = synthetic.jitter(trial["label"], trial["seed"], trial["lam"], spread=0.5)
                    added = (move or {}).get(trial["label"], (0, 0))
                    accuracies = np.add(shape(trial["label"], lam, width, attack), added) + noise
                    clean, robust = (round(float(np.clip(value, 0, 100)) * n / 100) for value in accuracies)
                    row = {"lam": lam, "width": width, "attack": attack, "n": n, "clean_correct": clean}
                    bits = synthetic.correct_columns(clean, robust, n, trial["key"], lam, width, attack)
                    rows.append(row | {"robust_correct": robust} | bits)
        results = synthetic.results(synthetic.planned("PGD-AT", 0.0, 0, "digits", "wrn-10-1"), n=n)
        measured = {"probe": "accuracy", "attack": attacks[0], "epsilon": 0.3, "step": step, "lambdas": list(lambdas)}
        results |= {"key": trial["key"], "recipe": trial["recipe"] | {"train_images": None}}
        results["measurements"] = {trial["measurements"][0]: {"measurement": measured, "rows": rows}}
        synthetic.write(runs / "trials" / trial["key"] / "results.json", results)


def pgd_at(lambdas=S1, seeds=(0, 1, 2), label="PGD-AT", **fields) -> list[dict]:
    return [network(label, seed, lam, **fields) for lam in lambdas for seed in seeds]


def conditional(label: str, seeds=(0, 1, 2), **fields) -> list[dict]:
    return [network(label, seed, **fields) for seed in seeds]


def sets(runs: Path, seeds=(0, 1, 2), scale="laptop", dataset="digits") -> list[dict]:
    """Figure 5."""
    oat = conditional("OAT on S1", seeds, dataset=dataset)
    oat += conditional("OAT on S2", seeds, lambdas=list(S2), dataset=dataset)
    trials = oat + pgd_at(ALL, seeds, dataset=dataset)
    synthetic.write_plan(runs, [panel(trials, ["fig5"], "sets", "svhn", dataset)], scale)
    finish(runs, trials, ALL)
    return trials


def slimming(runs: Path, seeds=(0, 1, 2), scale="laptop", dataset="digits") -> list[dict]:
    """Figures 6 and 9."""
    widths = {"widths": [0.5, 0.75, 1.0], "dataset": dataset}
    trials = pgd_at(S1, seeds, "PGD-ATS", **widths) + conditional("OATS (dual BN)", seeds, **widths)
    trials += conditional("OATS (normal BN)", seeds, norm="normal", **widths)
    synthetic.write_plan(runs, [panel(trials, ["fig6", "fig9"], "tradeoff", dataset=dataset)], scale)
    finish(runs, trials, widths=(1.0, 0.75, 0.5))
    return trials


def attacks(runs: Path, seeds=(0, 1, 2)) -> list[dict]:
    """Figure 7."""
    trials = pgd_at(S1, seeds) + conditional("OAT (dual BN)", seeds)
    trials += conditional("OAT (normal BN)", seeds, norm="normal")
    synthetic.write_plan(runs, [panel(trials, ["fig7"], "svhn", "svhn")])
    finish(runs, trials, attacks=("pgd20", "mifgsm", "fgsm"))
    return trials


def encodings(runs: Path, seeds=(0, 1, 2), scale="laptop", dataset="digits") -> list[dict]:
    """Figure 13."""
    kinds = {"none (scalar λ)": "none", "DCT-16": "dct-16", "DCT-128": "dct-128", "RO-16": "ro-16", "RO-128": "ro-128"}
    trials = [t for label, code in kinds.items() for t in conditional(label, seeds, encoding=code, dataset=dataset)]
    synthetic.write_plan(runs, [panel(trials, ["fig13"], "encodings", dataset=dataset)], scale)
    finish(runs, trials)
    return trials


def appc(runs: Path, seeds=(0, 1, 2)) -> list[dict]:
    """App. C: two experiments on the same data."""
    first = pgd_at(S1, seeds) + conditional("OAT on S1", seeds)
    first += conditional("OAT, λ ~ U[0,1]", seeds, lam_density="continuous", epochs=17)
    second = pgd_at(S1, seeds) + conditional("OAT (normal BN, S4)", seeds, norm="normal", lambdas=list(S4))
    second += conditional("OAT (normal BN)", seeds, norm="normal") + conditional("OAT (dual BN)", seeds)
    panels = [panel(first, ["appc"], "continuous", "svhn"), panel(second, ["appc"], "without_zero")]
    synthetic.write_plan(runs, panels)
    finish(runs, first, ALL)
    finish(runs, second)
    return first + second


ROWS = {  # label → what its recipe has other than the default
    "default": {},
    "row 2: lam_sampling=fixed-zeros": {"protocol": {"lam_sampling": "fixed-zeros"}},
    "row 3: film=authors": {"protocol": {"film": "authors"}},
    "row 5: selection=last": {"protocol": {"selection": "last"}},
    "row 7: unseen=nearest": {"protocol": {"unseen": "nearest"}},
    "row 10: dropout=0.3": {"dropout": 0.3},
    "DCT-128": {"encoding": "dct-128"},
    "row 15: dct=unnormalised": {"encoding": "dct-128", "protocol": {"dct": "unnormalised"}},
    "row 16: film_init=zero": {"protocol": {"film_init": "zero"}},
    "all rows: authors-code": {"protocol": {"film": "authors", "lam_sampling": "fixed-zeros", "film_init": "zero"}},
}
MOVES = {"row 16: film_init=zero": (-1.0, -13.0), "row 3: film=authors": (0.2, 0.6), "DCT-128": (-1, -2)}
MOVES |= {"row 15: dct=unnormalised": (-1.2, -2.5), "all rows: authors-code": (-1, -9), "row 9: batch=256": (1, -3)}


def protocol(runs: Path, seeds=(0, 1, 2), n=450) -> list[dict]:
    """Protocol ledger: OAT with one choice changed, and PGD-AT at λ = 1 with another batch size."""
    trials = [trial for label, fields in ROWS.items() for trial in conditional(label, seeds, **fields)]
    trials += [network("PGD-AT, λ=1", seed, 1.0) for seed in seeds]
    trials += [network("row 9: batch=256", seed, 1.0, batch=256) for seed in seeds]
    synthetic.write_plan(runs, [panel(trials, ["protocol"], "protocol")])
    finish(runs, trials, sorted({*S1, *S3}), move=MOVES, n=n)
    return trials


def view(runs: Path, figure: str, scale="laptop") -> View:
    return load_view(read_plans(runs)[0], runs, figure, scale, FIGURES[figure].keep)


def draw(figure: str, loaded_view: View):
    with style.paper():
        return FIGURES[figure].draw(loaded_view)


def lines(ax, label: str) -> list:
    return [line for line in ax.lines if line.get_label() == label]


def texts(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def remove(runs: Path, trials: list[dict]) -> None:
    for trial in trials:
        shutil.rmtree(runs / "trials" / trial["key"])
