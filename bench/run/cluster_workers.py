"""The nodes of a running Ray cluster as `Workers`: precision, estimates and trials at once are theirs.

A node's facts are asked once and kept in `runs/nodes.json` under its Ray id, which another start of its Ray changes.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.run import ray_environment  # noqa: F401, sets variables that Ray reads on import

# isort: split
import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from bench.damaged_files import Damaged, read_sealed, write_sealed
from bench.data import DatasetInfo
from bench.errors import BadInput
from bench.run import node_check, ray_start
from bench.run.workers import default_share, slots_of
from bench.spec import plugins
from bench.spec.recipe import Recipe

ANSWER_SECONDS = 120  # a node has to install the code and import torch
TIMING_SECONDS = 600  # until a node is free to time a pass


@dataclass(frozen=True)
class Node:
    """A node on which `slots` trials fit at once."""

    id: str
    name: str  # host name and address
    slots: int
    facts: dict  # bench.run.node_check.node_facts


@contextmanager
def joined(address: str) -> Iterator[None]:
    """A context in which this process is a driver of the cluster. Raises BadInput where it cannot be."""
    try:
        ray_start.join(address)
    except (ConnectionError, ValueError, RuntimeError, RayError) as error:  # also another release of Ray or Python
        needs = "the command needs the nodes' releases of Ray and Python, and their RAY_AUTH_MODE and RAY_AUTH_TOKEN"
        raise BadInput(f"--address {address}: {' '.join(str(error).split())}: {needs}") from None
    try:
        yield
    finally:
        ray.shutdown()


class ClusterWorkers:
    """`Workers` of the cluster that this process has joined."""

    def __init__(self, runs: Path, cpus_per_trial: int, gpus_per_trial: float | None):
        """Ask the nodes on which a trial fits. Raises BadInput where there are none, or one cannot be used."""
        alive = [node for node in ray.nodes() if node["Alive"]]
        gpus = sum(node["Resources"].get("GPU", 0) for node in alive)
        self.cpus_per_trial = cpus_per_trial
        self.gpus_per_trial = default_share(gpus) if gpus_per_trial is None else gpus_per_trial
        fitting = {node["NodeID"]: (node, self.slots_on(node)) for node in alive if self.slots_on(node)}
        if not fitting:
            needs = f"a trial needs {cpus_per_trial} CPUs and {self.gpus_per_trial:g} GPUs"
            raise BadInput(f"{needs}, and none of the cluster's {len(alive)} nodes has them: start such a node")
        facts = facts_of(list(fitting), runs, gpus=self.gpus_per_trial > 0)
        self.nodes = [
            Node(key, f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})", slots, facts[key])
            for key, (node, slots) in fitting.items()
        ]
        for node in self.nodes:
            if self.gpus_per_trial and node.facts["no_cuda"]:
                reason = f"{node.name}: Ray offers GPUs, but {node.facts['no_cuda']}"
                raise BadInput(f"{reason}: mend the node, or run with --gpus-per-trial 0")

    def slots_on(self, node: dict) -> int:
        cpus, gpus = (node["Resources"].get(name, 0) for name in ("CPU", "GPU"))
        return slots_of(cpus, gpus, self.cpus_per_trial, self.gpus_per_trial)

    @property
    def kinds(self) -> Counter[str]:
        """{GPU's or CPU's model: trials at once}."""
        kinds: Counter[str] = Counter()
        for node in self.nodes:
            kinds[self.model(node)] += node.slots
        return kinds

    def model(self, node: Node) -> str:
        return node.facts["gpu" if self.gpus_per_trial else "cpu"]

    @property
    def place(self) -> str:
        return f"the cluster's {len(self.nodes)} nodes" if len(self.nodes) > 1 else "the cluster's node"

    @property
    def notes(self) -> tuple[str, ...]:
        if len(self.kinds) == 1:
            return ()
        listing = ", ".join(f"{model}: {slots}" for model, slots in self.kinds.most_common())
        return (f"trials at once by hardware: {listing}; all times are estimated for {self.hardware_name()}",)

    def device_type(self) -> str:
        return "cuda" if self.gpus_per_trial else "cpu"

    def hardware_name(self) -> str:
        """The model that most trials run on."""
        return self.kinds.most_common(1)[0][0]

    def device_memory(self) -> int:
        return min(node.facts["gpu_memory" if self.gpus_per_trial else "memory"] for node in self.nodes)

    def available_memory(self) -> None:
        return None

    def best_precision(self) -> str:
        """bf16 where every node multiplies in bf16: a network has one precision, wherever it is trained."""
        name = "gpu_precision" if self.gpus_per_trial else "cpu_precision"
        return "bf16" if all(node.facts[name] == "bf16" for node in self.nodes) else "fp32"

    def slots(self, cpus_per_trial: int, gpus_per_trial: float | None) -> int:
        return sum(node.slots for node in self.nodes)

    def time_image_pass(self, recipe: Recipe, info: DatasetInfo, precision: str, width: float) -> float:
        """Time a pass on a node of the most frequent model."""
        node = next(node for node in self.nodes if self.model(node) == self.hardware_name())
        share = {"num_cpus": self.cpus_per_trial, "num_gpus": 1 if self.gpus_per_trial else 0}
        task = ray.remote(**share, max_calls=1 if self.gpus_per_trial else 0)(time_on_node)
        arguments = ([str(path) for path in plugins.LOADED], recipe, info, precision, width, self.device_type())
        try:
            return ray.get(task.options(**on_node(node.id)).remote(*arguments), timeout=TIMING_SECONDS)
        except GetTimeoutError:
            raise BadInput(f"{node.name}: not free for {TIMING_SECONDS} s: wait until other jobs on it end") from None
        except RayError as error:
            raise BadInput(f"{node.name}: {last_line(error)}") from None


def time_on_node(plugin_paths: list[str], *arguments) -> float:
    """`time_image_pass` in a task: the recipe may name a plugin's norm or backbone."""
    from bench.run.image_pass_timing import time_image_pass  # imports torch

    plugins.load_plugins(plugin_paths)
    return time_image_pass(*arguments)


def facts_of(node_ids: list[str], runs: Path, gpus: bool) -> dict[str, dict]:
    """{node id: facts}, from `runs/nodes.json` where the node was asked before. Raises BadInput.

    gpus: ask again where torch could not use a GPU.
    """
    path = runs / "nodes.json"
    try:
        stored = read_sealed(path) or {}
    except Damaged:
        stored = {}
    known = {key: stored[key] for key in node_ids if key in stored and not (gpus and stored[key]["no_cuda"])}
    answers = ask(node_check.node_facts, {key: () for key in node_ids if key not in known})
    for key, answer in answers.items():
        if isinstance(answer, str):
            raise BadInput(f"the cluster's node {key[:8]}: {answer}")
    if answers:
        with contextlib.suppress(OSError):  # `plan` also works where nothing can be written
            runs.mkdir(parents=True, exist_ok=True)
            write_sealed(path, known | answers)
    return known | answers


def ask(function: Callable[..., dict], arguments: dict[str, tuple], once: bool = False) -> dict[str, dict | str]:
    """Call a function on nodes, {node id: its arguments}, even on those that are busy.

    once: end its process afterwards, which frees memory of the GPU. Returns {node id: result, or why there is none}.
    """
    task = ray.remote(num_cpus=0, max_retries=0, max_calls=1 if once else 0)(function)
    calls = {key: task.options(**on_node(key)).remote(*values) for key, values in arguments.items()}
    finished, _ = ray.wait(list(calls.values()), num_returns=len(calls), timeout=ANSWER_SECONDS) if calls else ([], [])
    answers: dict[str, dict | str] = dict.fromkeys(calls, f"no answer within {ANSWER_SECONDS} s: restart its Ray")
    for key, call in calls.items():
        if call in finished:
            try:
                answers[key] = ray.get(call)
            except Exception as error:  # the function's, or one of Ray's
                answers[key] = last_line(error)
    return answers


def on_node(node_id: str) -> dict:
    """Options of a task that is to run on this node alone."""
    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node_id, soft=False)}


def last_line(error: Exception) -> str:
    return ([line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__])[-1]
