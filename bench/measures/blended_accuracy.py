"""SA and RA of a blend at each α, under adaptive attacks of which the strongest counts, image by image.

The attack goes through the blended model and through each further model that the blend names, such as a smooth
surrogate. Adversarial images of both ends are tried too: where one end is confident, the gradient of a mixture is that
of the other end alone, and an attack on the mixture can miss what an attack on the confident end finds.
"""

from collections.abc import Iterator
from pathlib import Path

import torch

from bench.data import Dataset, Images
from bench.engines import Engine
from bench.measures.accuracy import accuracy_row, by_batch, correct
from bench.measures.second_network import other_engine
from bench.measures.transfer import robust_at
from bench.spec.measurement import Measurement
from bench.spec.registry import BLENDS, resolve


def blended_accuracy(
    engine: Engine, data: Dataset, images: Images, measurement: Measurement, directory: Path
) -> Iterator[dict]:
    """Yield a row of `accuracy` per α, with `lam` = α; between the ends also "robust_to": how many images withstand the
    attack through the blend, through each further model, and on each end, in this order.

    data: of the recipe, on the network's device; `images`: its test images. At α = 0 and 1 the model is the end itself,
    attacked as `accuracy` attacks it. Every attack has the same random starts. Raises FileNotFoundError where the
    network of the other end has not been trained.
    """
    ends, device = [engine], images.images.device
    if measurement.surrogate:
        shape, classes = images.images.shape, engine.net.head.out_features
        ends.append(other_engine(directory.parent / measurement.surrogate, shape[1], classes, device))
    blend = resolve(BLENDS[measurement.blend])(ends, data, measurement)
    between = [alpha for alpha in measurement.lambdas if 0 < alpha < 1]
    models = [blend.at(alpha)[0] for alpha in between] if blend.parts else []
    on_ends = [dict(zip(between, robust_at(end, models, images, measurement), strict=True)) for end in blend.parts]
    for alpha in measurement.lambdas:
        model, *further = blend.at(alpha)
        clean = torch.cat(by_batch(lambda x, y, model=model: correct(model, x, y), images))
        robust = [robust_at(source, [model], images, measurement)[0] for source in (model, *further)]
        robust += [by_alpha[alpha] for by_alpha in on_ends if alpha in by_alpha]
        row = accuracy_row(measurement, alpha, clean, torch.stack(robust).all(0))
        yield row | ({"robust_to": [int(each.sum()) for each in robust]} if len(robust) > 1 else {})
