"""What a plan learns of a cluster's nodes, with made-up nodes in the place of Ray's."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.errors import BadInput
from bench.spec import plugins

H200 = {"torch": "2.13.0", "cpu": "EPYC", "memory": 2**38, "cpu_precision": "fp32", "no_cuda": None}
H200 |= {"gpu": "H200", "gpu_memory": 140 * 2**30, "gpu_precision": "bf16"}
V100 = H200 | {"gpu": "V100", "gpu_memory": 16 * 2**30, "gpu_precision": "fp32"}
BROKEN = {name: H200[name] for name in ("torch", "cpu", "memory", "cpu_precision")} | {"no_cuda": "torch sees no GPU"}


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    """Makes ClusterWorkers of {node id: (CPUs, GPUs, facts)}; `asked` has the ids that were asked."""
    from bench.run import cluster_workers  # imports Ray: not while tests are collected

    asked = []

    def of(nodes: dict, cpus_per_trial: int = 1, gpus_per_trial: float | None = None):
        def ask(function, arguments):
            asked.extend(arguments)
            return {key: nodes[key][2] for key in arguments}

        listing = [
            {"NodeID": key, "Alive": True, "NodeManagerHostname": key, "NodeManagerAddress": "10.0.0.1"}
            | {"Resources": {"CPU": cpus} | ({"GPU": gpus} if gpus else {})}
            for key, (cpus, gpus, _) in nodes.items()
        ]
        monkeypatch.setattr(cluster_workers.ray, "nodes", lambda: listing)
        monkeypatch.setattr(cluster_workers, "ask", ask)
        return cluster_workers.ClusterWorkers(tmp_path / "runs", cpus_per_trial, gpus_per_trial)

    of.asked = asked
    return of


def test_a_plan_speaks_of_the_gpus_of_the_nodes_on_which_trials_fit(cluster):
    workers = cluster({"head": (0, 0, None), "first": (64, 8, H200), "second": (64, 8, H200)})
    assert (workers.device_type(), workers.hardware_name()) == ("cuda", "H200")
    assert workers.slots(1, None) == 16 and workers.best_precision() == "bf16" and workers.notes == ()
    assert workers.device_memory() == 140 * 2**30 and workers.place == "the cluster's 2 nodes"
    assert cluster.asked == ["first", "second"]


def test_mixed_nodes_have_the_precision_of_the_least_and_the_times_of_most(cluster):
    workers = cluster({"first": (8, 2, V100), "second": (64, 8, H200)}, 4, 0.5)
    assert workers.slots(4, 0.5) == 2 + 16 and workers.hardware_name() == "H200"
    assert workers.best_precision() == "fp32" and workers.device_memory() == 16 * 2**30
    assert workers.notes == ("trials at once by hardware: H200: 16, V100: 2; all times are estimated for H200",)


def test_without_gpus_it_is_the_cpus(cluster):
    workers = cluster({"first": (4, 0, BROKEN)})
    assert (workers.device_type(), workers.hardware_name(), workers.best_precision()) == ("cpu", "EPYC", "fp32")
    assert workers.slots(1, None) == 4


def test_a_node_is_asked_once(cluster):
    cluster({"first": (4, 1, H200)})
    cluster({"first": (4, 1, H200), "second": (4, 1, H200)})
    cluster({"second": (4, 1, H200)})
    assert cluster.asked == ["first", "second"]


def test_a_gpu_that_torch_cannot_use_is_refused_and_asked_again(cluster):
    for _ in range(2):
        with pytest.raises(BadInput, match=r"^first \(10.0.0.1\): Ray offers GPUs, but torch sees no GPU: mend"):
            cluster({"first": (4, 1, BROKEN)})
    cluster({"first": (4, 1, H200)})
    assert cluster.asked == ["first"] * 3


def test_a_cluster_on_which_no_trial_fits_is_refused(cluster):
    with pytest.raises(BadInput, match="a trial needs 8 CPUs and 1 GPUs, and none of the cluster's 1 nodes"):
        cluster({"first": (4, 2, H200)}, 8)


def test_a_node_that_gives_no_answer_is_refused(cluster):
    with pytest.raises(BadInput, match="the cluster's node first: No module named 'torch'"):
        cluster({"first": (4, 0, "No module named 'torch'")})


def test_a_cluster_that_lets_nobody_in_is_bad_input_with_the_remedy(monkeypatch):
    from bench.run import cluster_workers  # imports Ray

    def refuse(address):
        raise ConnectionError(f"Failed to connect to Ray cluster\nat {address}")

    monkeypatch.setattr(cluster_workers.ray_start, "join", refuse)
    reason = "^--address head:1: Failed to connect to Ray cluster at head:1: the command needs .* RAY_AUTH_TOKEN$"
    with pytest.raises(BadInput, match=reason), cluster_workers.joined("head:1"):
        pass


def test_a_node_loads_the_plugins_before_it_times_a_pass(cluster, monkeypatch):
    from bench.run import cluster_workers, image_pass_timing  # imports Ray

    events, workers = [], cluster({"first": (4, 1, H200)})
    task = SimpleNamespace(options=lambda **_: SimpleNamespace(remote=cluster_workers.time_on_node))
    monkeypatch.setattr(cluster_workers.ray, "remote", lambda **_: lambda function: task)
    monkeypatch.setattr(cluster_workers.ray, "get", lambda value, timeout: value)
    monkeypatch.setattr(cluster_workers, "on_node", lambda node_id: {})
    monkeypatch.setattr(plugins, "LOADED", {Path("/shared/mine.py"): "0"})
    monkeypatch.setattr(plugins, "load_plugins", events.append)
    monkeypatch.setattr(image_pass_timing, "time_image_pass", lambda *arguments: events.append(arguments) or 0.5)
    assert workers.time_image_pass("recipe", "info", "fp32", 1.0) == 0.5
    assert events == [["/shared/mine.py"], ("recipe", "info", "fp32", 1.0, "cuda")]
