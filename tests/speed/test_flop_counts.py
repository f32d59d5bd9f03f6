"""Counts of FLOPs: by hand for WRN-10-1 on 8×8 grey images, and against the cost counter."""

import pytest
import torch

from bench.speed import flop_counts, machine_throughput
from bench.speed.flop_counts import Conv, Passes
from bench.speed.workloads import WORKLOADS, find_workload

DIGITS = WORKLOADS["digits"]


def test_macs_of_a_layer():
    assert Conv(64, 128, 3, 2, 32).macs == 64 * 128 * 9 * 16 * 16
    assert Conv(3, 64, 1, 1, 5).macs == 3 * 64 * 25
    assert Conv(1, 1, 3, 2, 5).macs == 9 * 9  # 5 pixels at stride 2 are 3


def test_convolutions_of_a_network():
    assert flop_counts.convolutions(DIGITS) == {
        Conv(1, 16, 3, 1, 8): 1,  # stem
        Conv(16, 16, 3, 1, 8): 2,
        Conv(16, 32, 3, 2, 8): 1,
        Conv(32, 32, 3, 1, 4): 1,
        Conv(16, 32, 1, 2, 8): 1,  # shortcuts
        Conv(32, 64, 3, 2, 4): 1,
        Conv(64, 64, 3, 1, 2): 1,
        Conv(32, 64, 1, 2, 4): 1,
    }


@pytest.mark.parametrize("name", ["resnet34", "wrn-16-8", "wrn-10-2", "digits"])
def test_the_cost_counter_counts_these_convolutions_and_the_classifier(name):
    workload = WORKLOADS[name]
    classifier = {"resnet34": 512, "wrn-16-8": 512, "wrn-10-2": 128, "digits": 64}[name] * 10
    expected = sum(conv.macs * count for conv, count in flop_counts.convolutions(workload).items()) + classifier
    assert flop_counts.macs(workload, "oat") == flop_counts.macs(workload, "pgd_at") == expected


def test_passes():
    # 64 images, of which ceil(64/6) = 11 have λ = 0: 53 are attacked
    assert flop_counts.passes(DIGITS, "oat") == Passes(64 + 7 * 53 + 53, 64 + 7 * 53 + 53, 64 + 53)
    assert flop_counts.passes(DIGITS, "pgd_at") == Passes(7 * 64 + 64 + 64, 7 * 64 + 64, 64)
    assert flop_counts.passes(DIGITS, "evaluation") == Passes(6 * 256 * 9, 6 * 256 * 7, 0)
    assert flop_counts.flops(DIGITS, "oat") == 2 * flop_counts.macs(DIGITS, "oat") * (3 * 64 + (2 * 7 + 3) * 53)


def test_an_ideal_step_is_the_sum_of_its_passes():
    rate = {"forward": 1.0, "to_input": 10.0, "to_weights": 100.0, "matrix_product": 5.0}
    assert machine_throughput.ideal_seconds(rate, {"forward": 2, "to_input": 3, "to_weights": 4}) == 2 + 30 + 400
    better = machine_throughput.faster(
        {"fp32": rate}, {"fp32": {"forward": 0.5, "to_input": 20, "to_weights": 100, "matrix_product": 6}}
    )
    assert better == {"fp32": {"forward": 0.5, "to_input": 10.0, "to_weights": 100.0, "matrix_product": 6}}


def test_a_gpu_gets_the_batch_of_the_paper():
    assert find_workload("resnet34", torch.device("cuda"), None).batch == 128
    assert find_workload("resnet34", torch.device("cuda"), 3).batch == 3
