"""Which operator is which kind of work."""

import pytest

from bench.speed.profile import OTHER, kind_of


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        ("aten::mkldnn_convolution", "convolutions, forward"),
        ("aten::cudnn_convolution", "convolutions, forward"),
        ("aten::convolution_backward", "convolutions, backward"),
        ("aten::native_batch_norm_backward", "batch statistics"),
        ("aten::addcmul", "scale and shift, their gradients"),
        ("aten::add_", "sums of branches and gradients"),
        ("aten::addmm", "FiLM's layers, classifier"),
        ("aten::threshold_backward", "ReLU"),
        ("aten::_fused_sgd_", "weight update"),
        ("aten::random_", "dropout's draws"),
        ("autograd::engine::evaluate_function: AddBackward0", OTHER),
    ],
)
def test_a_kind_of_work(operator, kind):
    assert kind_of(operator) == kind
