"""Print, as JSON, what torch says about this machine's GPUs: `python -m bench.run.gpu_facts` (see gpu_detection)."""

import json

import torch

from bench.engines.precision import best_precision


def gpu_facts() -> dict:
    """{"count"}, and of the first GPU "name", "memory" (bytes) and "precision" (that of `precision: auto`)."""
    if not torch.cuda.is_available():
        return {"count": 0}
    first = {"name": torch.cuda.get_device_name(0), "memory": torch.cuda.get_device_properties(0).total_memory}
    return {"count": torch.cuda.device_count(), **first, "precision": best_precision(cuda=True)}


if __name__ == "__main__":
    print(json.dumps(gpu_facts()))
