"""PGD by the CPU engine: against the same steps with the gradient of the plain network in fp64."""

import pytest
import torch
import torch.nn.functional as F

from bench.attacks.pgd import cross_entropy, fgsm, pgd
from bench.engines.conditioned_model import ConditionedModel
from bench.engines.cpu.engine import CpuEngine
from bench.engines.cpu.fused_pgd import take_steps
from bench.engines.eager import EagerEngine
from tests.copies import duplicate
from tests.engines.cpu.exact import needs_kernels
from tests.recipes import images, lively, oat, pgd_at

SHAPES = {"wrn-10-1": (1, 8, 8), "wrn-16-2": (3, 9, 7)}
LAM = torch.tensor([0.3, 0.0, 1.0, 0.0, 0.1])
EPSILON, STEP = 0.1, 0.03


def build_model(arch: str = "wrn-10-1", recipe=oat, lam=LAM, precision: str = "fp32") -> ConditionedModel:
    engine = CpuEngine(lively(recipe(arch=arch), SHAPES[arch][0]).eval())
    return ConditionedModel(engine, engine.condition(lam), precision)


def exact_gradient(given: ConditionedModel, x, y, lam) -> torch.Tensor:
    net, x = duplicate(given.engine.net).double(), x.double().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(net(x, lam.double()), y, reduction="sum"), x)[0]


@needs_kernels
@pytest.mark.parametrize("lam", [LAM, LAM[:1]], ids=["each", "one"])
@pytest.mark.parametrize("recipe", [oat, pgd_at])
@pytest.mark.parametrize("arch", SHAPES)
def test_each_step_follows_the_network_s_gradient(arch, recipe, lam):
    """Where the gradient in fp64 is more than roundings, x moves by the step along its sign, and no further than ε."""
    given, (x, y) = build_model(arch, recipe, lam), images(5, SHAPES[arch])
    low, high, now = (x - EPSILON).clamp(min=0), (x + EPSILON).clamp(max=1), x
    for _ in range(5):
        grad = exact_gradient(given, now, y, lam)
        expected = (now.double() + STEP * grad.sign()).clamp(low.double(), high.double())
        now = given.pgd(now, low, high, y, STEP, 1)
        sure = grad.abs() > 1e-3 * grad.abs().amax(dim=(1, 2, 3), keepdim=True)
        assert sure.float().mean() > 0.9
        wrong = ((now - expected).abs() > 1e-6) & sure
        assert wrong.float().mean() < 2e-3  # an activation at ReLU's kink


@needs_kernels
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("attack", [pgd, fgsm])
@pytest.mark.parametrize("arch", SHAPES)
def test_it_is_the_attack_that_autograd_makes(arch, attack, precision):
    given, (x, y) = build_model(arch, precision=precision), images(5, SHAPES[arch])

    def run(logits):
        return attack(logits, x, y, EPSILON, STEP, 4, torch.Generator().manual_seed(0), "uniform")

    own, usual = run(given), run(lambda images: given(images))
    assert own.dtype == torch.float32 and own.shape == x.shape
    assert ((own - usual).abs() > 1e-6).float().mean() < 0.01
    assert (own - x).abs().max() <= EPSILON + 1e-7 and own.min() >= 0 and own.max() <= 1


@needs_kernels
@pytest.mark.parametrize("n", [1, 7, 64])
def test_the_ball_is_never_left_and_x_stays(n):
    given, (x, y) = build_model(lam=LAM[:1]), images(n)
    before, low, high = x.clone(), (x - EPSILON).clamp(min=0), (x + EPSILON).clamp(max=1)
    adv = given.pgd(x, low, high, y, 0.07, 3)
    assert torch.equal(x, before) and bool(((low <= adv) & (adv <= high)).all())


@needs_kernels
def test_steps_are_one_after_the_other():
    given, (x, y) = build_model(), images(5)
    low, high = (x - EPSILON).clamp(min=0), (x + EPSILON).clamp(max=1)
    adv = x
    for _ in range(3):
        adv = given.pgd(adv, low, high, y, STEP, 1)
    assert torch.equal(adv, given.pgd(x, low, high, y, STEP, 3))
    assert torch.equal(x, given.pgd(x, low, high, y, STEP, 0))


@needs_kernels
def test_a_graph_of_before_keeps_its_gradient():
    """The attack takes the plan's buffers; an earlier graph runs its images again."""
    given, (x, y) = build_model(), images(5)
    x.requires_grad_()
    alone = torch.autograd.grad(F.cross_entropy(given(x), y), x)[0]
    loss = F.cross_entropy(given(x), y)
    given.pgd(x.detach(), x.detach() - 1, x.detach() + 1, y, STEP, 2)
    assert torch.equal(torch.autograd.grad(loss, x)[0], alone)


@needs_kernels
def test_what_is_not_a_number_stays_where_it_is():
    given, (x, y) = build_model(), images(5)
    x[2, 0, 3, 3] = torch.nan
    adv = given.pgd(x, x - EPSILON, x + EPSILON, y, STEP, 2)
    assert adv[2, 0, 3, 3].isnan() and torch.equal(adv[2].nan_to_num(), x[2].nan_to_num())
    assert adv[[0, 1, 3, 4]].isfinite().all() and not torch.equal(adv[0], x[0])


@needs_kernels
@pytest.mark.parametrize("label", [-1, 10])
def test_a_label_of_no_class_is_refused(label):
    given, (x, y) = build_model(), images(5)
    y[3] = label
    with pytest.raises(IndexError, match="none of the 10 classes"):
        given.pgd(x, x, x, y, STEP, 1)


@needs_kernels
def test_results_do_not_depend_on_the_number_of_threads():
    net, (x, y), before, results = build_model(lam=LAM[:1]), images(2048), torch.get_num_threads(), []
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            results.append(net.pgd(x, x - EPSILON, x + EPSILON, y, STEP, 2))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*results)


@needs_kernels
def test_autograd_makes_what_the_kernels_do_not():
    """Another loss; the eager engine; a network in training mode, or in fp64."""
    given, (x, y) = build_model(), images(5)
    low, high, engine = x - EPSILON, x + EPSILON, given.engine
    calls = []

    class Recorded(ConditionedModel):
        def pgd(self, *arguments):
            calls.append(arguments)

    recorded = Recorded(engine, given.cond)
    pgd(recorded, x, y, EPSILON, STEP, 1, torch.Generator(), loss=lambda outputs, y: -cross_entropy(outputs, y))
    assert not calls
    pgd(recorded, x, y, EPSILON, STEP, 1, torch.Generator())
    assert len(calls) == 1
    assert ConditionedModel(EagerEngine(engine.net), given.cond).pgd(x, low, high, y, STEP, 1) is None
    training = ConditionedModel(engine, engine.condition(LAM.sort().values, training=True))
    assert training.pgd(x, low, high, y, STEP, 1) is None
    double = CpuEngine(engine.net.double())
    model = ConditionedModel(double, double.condition(LAM.double()))
    assert model.pgd(x.double(), low.double(), high.double(), y, STEP, 1) is None


def test_hooks_see_the_passes_of_the_plain_network():
    """The CPU engine computes around them."""
    net, (x, y), seen = lively(oat()).eval(), images(5), []
    net.register_forward_pre_hook(lambda *_: seen.append(1))
    engine = EagerEngine(net)
    pgd(ConditionedModel(engine, engine.condition(LAM)), x, y, EPSILON, STEP, 3, torch.Generator())
    assert len(seen) == 3


@needs_kernels
def test_images_may_lie_in_memory_in_any_order():
    given, (x, y) = build_model("wrn-16-2"), images(5, SHAPES["wrn-16-2"])
    last = x.contiguous(memory_format=torch.channels_last)
    plan = given.engine.inference_plan(x, given.cond)
    results = [take_steps(plan, given.cond, start, x - EPSILON, x + EPSILON, y, STEP, 2) for start in (x, last)]
    assert torch.equal(*results)
