"""One perturbation for several models: against the closed form of linear models, and restarts."""

import torch

from bench.data import Images
from bench.measures.joint_attack import robust_jointly
from bench.spec.costs import has_joint_attack
from bench.spec.measurement import Measurement
from tests.recipes import images

N, CLASSES, EPSILON = 60, 4, 0.02
WEIGHTS = torch.randn(3, CLASSES, 64, generator=torch.Generator().manual_seed(1))
X = (images(N)[0] * 255).round().to(torch.uint8)


def linear(weight: torch.Tensor):
    return lambda x: (x - 0.5).flatten(1) @ weight.to(x).T


MODELS = [linear(weight) for weight in WEIGHTS]
LABELS = MODELS[0](X / 255).argmax(1)
IMAGES = Images(X, LABELS)


def test_one_step_follows_the_sum_of_the_gradients():
    """∇x of the cross-entropy of a linear model is Wᵀ(softmax(Wx) - e_y), here in fp64."""
    measurement = Measurement(epsilon=EPSILON, step=EPSILON, steps=1, start="image", lambdas=(0, 0.5, 1))
    x, gradient = X.double() / 255, 0
    for weight in WEIGHTS.double():
        excess = linear(weight)(x).softmax(1) - torch.nn.functional.one_hot(LABELS, CLASSES)
        gradient = gradient + excess @ weight
    adv = (x + EPSILON * gradient.sign().view_as(x)).clamp(0, 1)
    expected = [linear(weight)(adv).argmax(1) == LABELS for weight in WEIGHTS.double()]
    robust = robust_jointly(MODELS, IMAGES, measurement)
    assert all(map(torch.equal, robust, expected)) and 0 < robust[0].sum() < N
    alone = robust_jointly(MODELS[:1], IMAGES, measurement)[0]
    assert alone.sum() < robust[0].sum()  # a perturbation for all is weaker at each


def test_of_restarts_an_image_keeps_the_one_that_fools_the_most_models():
    measurement = Measurement(epsilon=EPSILON, step=EPSILON / 2, steps=1, lambdas=(0, 0.5, 1), restarts=3, seed=4)
    single = measurement.model_copy(update={"restarts": 1})
    robust = torch.stack(robust_jointly(MODELS, IMAGES, measurement))
    first = torch.stack(robust_jointly(MODELS, IMAGES, single))
    assert (robust.sum(0) <= first.sum(0)).all() and robust.sum() < first.sum()
    assert torch.equal(robust[:, robust.sum(0) == first.sum(0)], first[:, robust.sum(0) == first.sum(0)])


def test_an_attack_with_its_own_loss_has_no_sum():
    common = {"epsilon": 0.1, "step": 0.1, "lambdas": (0, 1)}
    assert has_joint_attack(Measurement(attack="cw50", **common))
    assert not any(has_joint_attack(Measurement(attack=name, **common)) for name in ("autoattack", "square"))
    assert not has_joint_attack(Measurement(targeted=True, **common))
