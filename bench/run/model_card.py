"""The model card of an exported network: what it is, how to call it, what was measured, licences."""

from pathlib import Path

from bench.run.show_command import non_default_fields
from bench.trained_network import TrainedNetwork
from bench.trial_dir import read_results

DATA_LICENCES = {
    "fashion-mnist": "MIT, © 2017 Zalando SE",
    "fashion-mnist-8k": "MIT, © 2017 Zalando SE",
    "digits": "CC BY 4.0 (UCI, Optical Recognition of Handwritten Digits)",
    "svhn": "non-commercial use only, as its authors say",
    "cifar10": "its authors give no licence",
    "stl10": "its authors give no licence",
}
EXAMPLES = {  # by the suffix of the program's file
    ".pt2": """import torch

program = torch.export.load("{file}").module()
images = torch.rand(5, {shape})
logits = program(images, torch.full((5,), {lam}))  # a λ for each image""",
    ".onnx": """import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{file}")
images = np.random.rand(5, {shape}).astype(np.float32)
lam = np.full(5, {lam}, np.float32)  # a λ for each image
(logits,) = session.run(None, {{"images": images, "lam": lam}})""",
}
UNKNOWN_LICENCE = "not known to this suite: ask where the images are from"


def model_card(network: TrainedNetwork, width: float, file: str, difference: float) -> str:
    """The card as Markdown. file: the name of the program; difference: of its logits from the network's."""
    recipe, (channels, height, wide) = network.recipe, network.shape
    lambdas = ", ".join(f"{lam:g}" for lam in network.lambdas)
    lam = "0.3" if recipe.lam is None else f"{recipe.lam:g}"
    example = EXAMPLES[Path(file).suffix].format(file=file, shape=f"{channels}, {height}, {wide}", lam=lam)
    trade_off = (
        f"λ in [0,1] sets the trade-off at each call: 0 for accuracy, 1 for robustness. It met λ ∈ {{{lambdas}}} in "
        "training and interpolates between them."
        if recipe.lam is None
        else f"It was trained for λ = {lambdas} alone; the program ignores its second argument."
    )
    slim = f" It is the sub-network of width {width:g} of a slimmable network." if recipe.widths else ""
    fields = "\n".join(f"| {name} | {value} |" for name, value in non_default_fields(recipe).items())
    return f"""# {recipe.label}, {recipe.dataset}, {recipe.arch}: network {recipe.key}

`{file}` classifies images of {channels} × {height} × {wide} (channels, height, width), floats in [0,1] without further
normalisation, into {network.classes} classes. {trade_off}{slim}

```python
{example}
```

On random images its logits differ from the network's by at most {difference:.1g}.

## Accuracy
{accuracy_table(network, width)}

SA: percent of clean test images classified correctly; RA: of test images attacked with knowledge of weights and λ.

## Training
Once-for-All Adversarial Training (Wang et al., NeurIPS 2020), reproduced by oat-bench{commits_of(network)}.

| field of the recipe | value |
| --- | --- |
{fields}

Data: {recipe.dataset}, content hash {recipe.data_hash}.

## Licence
Program and weights: MIT, as the suite. Data: {DATA_LICENCES.get(recipe.dataset, UNKNOWN_LICENCE)}.
"""


def accuracy_table(network: TrainedNetwork, width: float) -> str:
    """A row per attack and λ, at one width, as results.json has them."""
    entries = read_results(network.directory, network.recipe.key).get("measurements", {}).values()
    rows = [
        row
        for entry in entries
        if entry["measurement"]["probe"] == "accuracy" and not entry["measurement"].get("blend")
        for row in entry["rows"]
        if row["width"] == width
    ]
    if not rows:
        return "Nothing was measured at this width."
    lines = ["| attack | λ | SA % | RA % | test images |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        sa, ra = (f"{100 * row[count] / row['n']:.2f}" for count in ("clean_correct", "robust_correct"))
        lines.append(f"| {row['attack']} | {row['lam']:g} | {sa} | {ra} | {row['n']} |")
    return "\n".join(lines)


def commits_of(network: TrainedNetwork) -> str:
    """ " at commit …", as far as results.json knows."""
    provenance = read_results(network.directory, network.recipe.key).get("provenance", {})
    commits = provenance.get("trained_at", [])
    return f" at commit {', '.join(commits)}" if commits else ""
