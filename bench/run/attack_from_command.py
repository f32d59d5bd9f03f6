"""The `attack-from` verb: evaluate adversarial examples that were made elsewhere, and store a further attack.

The file is a safetensors file with a tensor `images`, (N, C, H, W), uint8 or floats in [0,1]: the first N test images,
attacked. Its metadata has `data_hash`, the content hash of the data as `show` prints it, which fixes the images' order.
"""

import hashlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bench import trial_manifest
from bench.damaged_files import Damaged, read_file
from bench.data import DataError, Dataset, Images, absolute, describe, load
from bench.errors import BadInput
from bench.measures.accuracy import to_input
from bench.measures.best_known import attacks_by_point, best_known
from bench.run import provenance
from bench.run.repair import directory_lock
from bench.run.trial import accuracy_of_selected_weights, results_before_measuring
from bench.spec.measurement import Measurement
from bench.spec.recipe_fields import fraction
from bench.trained_network import TrainedNetwork, load_network

OTHER_NUMBERS = "images are neither uint8 nor floats in [0,1]"
TOLERANCE = 1e-6  # of ε: x ± ε and a difference of the two are rounded to fp32


@dataclass(frozen=True)
class GivenAttack:
    """The arguments of the verb as they were typed; (), "" where they were not."""

    file: Path
    lambdas: tuple[float, ...]
    width: float
    epsilon: str
    name: str
    source: str
    data_root: Path


def attack_from_file(key: str, given: GivenAttack, runs: Path) -> Iterator[str]:
    """Evaluate the examples in fp32 at each λ, write them to results.json as a measurement, and yield a line per λ.

    Raises BadInput for a file, λ, width, ε or data that do not fit the network.
    """
    network = load_network(key, runs)
    recipe, epsilon = network.recipe, epsilon_of(given, network)
    lambdas = tuple(dict.fromkeys(given.lambdas)) or network.lambdas
    content = read_examples(given.file)
    try:
        network.require_width(given.width)
        for lam in lambdas:
            network.checked_lambdas(lam, 1)
    except ValueError as error:
        raise BadInput(str(error)) from None
    source = absolute(given.source or recipe.dataset)
    try:
        if describe(source, given.data_root).fingerprint != recipe.data_hash:
            raise BadInput(f"--source {source}: is not the data of network {recipe.key}")
        split = {"heldout": recipe.heldout, "train_images": recipe.train_images, "pool": recipe.pool}
        data = load(source, root=given.data_root, **split)
    except DataError as error:
        raise BadInput(f"--source {source}: {error}") from None
    try:
        examples = checked_examples(content, data.test, recipe.data_hash, epsilon)
    except ValueError as error:
        raise BadInput(f"{given.file}: {error}") from None
    checksum = hashlib.sha256(content).hexdigest()
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", given.name or given.file.stem)[:40]
    measurement = Measurement(
        attack=f"from-{name}.{checksum[:8]}",  # two files of one name are two attacks
        epsilon=epsilon,
        step=epsilon,
        lambdas=lambdas,
        width=given.width,
        test_images=len(examples),
        seed=recipe.seed,
    )
    yield from store(network, data, measurement, examples, f"{given.file.name}, SHA-256 {checksum[:12]}")


def store(
    network: TrainedNetwork, data: Dataset, measurement: Measurement, examples: Tensor, origin: str
) -> Iterator[str]:
    """Measure, write results.json, and yield a line per λ with the best known RA on the attacked images."""
    recipe, directory, device = network.recipe, network.directory, network.device
    test_images, examples = data.test.slice(0, len(examples)).to(device), examples.to(device)
    with directory_lock(directory):
        started = time.perf_counter()
        machine_and_code = provenance.hardware(device, network.engine.name) | provenance.git_commit()
        results = results_before_measuring(recipe, data, directory, machine_and_code)
        arguments = (network.engine, recipe, directory, test_images, measurement)
        rows = [
            accuracy_of_selected_weights(*arguments, lam, examples) | {"package": origin} for lam in measurement.lambdas
        ]
        entry = {"measurement": measurement.model_dump(mode="json"), "rows": rows}
        results.setdefault("measurements", {})[measurement.key] = entry
        seconds = results["seconds"]
        seconds["measure"] = round(seconds["measure"] + time.perf_counter() - started, 3)
        trial_manifest.write_json(directory, "results.json", results, recipe.key)
    attacks = attacks_by_point(results)
    for row in rows:
        n, others = row["n"], attacks[row["lam"], row["width"], measurement.epsilon]
        best, without = best_known(others, n), [other for other in others if other["attack"] != row["attack"]]
        before = f"{best_known(without, n).ra:.2f} without it" if without else "no other attack was made"
        decided = ", ".join(f"{attack} {count}" for attack, count in best.decided_by.items())
        yield (
            f"λ = {row['lam']:g}: RA {100 * row['robust_correct'] / n:.2f} % of {n} images under {row['attack']}; "
            f"best known {best.ra:.2f} % ({before}), decided by {decided or 'no attack'}"
        )


def epsilon_of(given: GivenAttack, network: TrainedNetwork) -> float:
    """ε as typed, or the recipe's. Raises BadInput."""
    value = fraction(given.epsilon or network.recipe.epsilon)
    try:
        epsilon = float(value)
    except ValueError:
        epsilon = 0.0
    if not 0 < epsilon <= 1:
        raise BadInput(f"--epsilon {given.epsilon}: a number in (0,1] or 8/255 is expected")
    return epsilon


def read_examples(file: Path) -> bytes:
    """The file's content. Raises BadInput."""
    try:
        content = read_file(file)
    except Damaged as error:
        raise BadInput(f"{file}: {error.reason}") from None
    if content is None:
        raise BadInput(f"{file}: no such file")
    return content


def checked_examples(content: bytes, test: Images, data_hash: str, epsilon: float) -> Tensor:
    """(N, C, H, W) fp32 images within ε of the first N test images and in [0,1]. Raises ValueError, one line."""
    try:
        tensors, metadata = trial_manifest.tensors(content), trial_manifest.tensors_metadata(content)
    except (ValueError, UnicodeDecodeError):
        raise ValueError("no whole safetensors file") from None
    if "images" not in tensors:
        raise ValueError(f"no tensor `images` in it; there are {', '.join(sorted(tensors)) or 'none'}")
    if metadata.get("data_hash") != data_hash:
        have = f"is {metadata['data_hash']}" if "data_hash" in metadata else "is absent"
        raise ValueError(f"data_hash in its metadata {have}: {data_hash}, that of the network's data, is expected")
    images, shape = tensors["images"], tuple(test.images.shape[1:])
    if images.shape[1:] != shape or not 0 < len(images) <= len(test.images):
        expected = f"(N, {', '.join(map(str, shape))}) with N from 1 to {len(test.images)}"
        raise ValueError(f"images of shape {tuple(images.shape)}: {expected} is expected")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ValueError(OTHER_NUMBERS)
    x, adv = (to_input(t) if t.dtype == torch.uint8 else t.float() for t in (test.images[: len(images)], images))
    if not ((adv >= 0) & (adv <= 1)).all():  # of fp32: torch does not compare fp8
        raise ValueError(OTHER_NUMBERS)
    distance = (adv - x).abs().flatten(1).amax(1)
    far = (distance > epsilon + TOLERANCE).nonzero()[:, 0]
    if len(far):
        farthest = int(distance.argmax())
        where = f"the farthest is image {farthest}, by {distance[farthest]:.4g}"
        raise ValueError(f"{len(far)} of {len(images)} images are farther than ε = {epsilon:.6g} from theirs; {where}")
    return adv.clamp((x - epsilon).clamp_(min=0), (x + epsilon).clamp_(max=1))  # rounding may leave the ball
