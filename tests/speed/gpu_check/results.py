"""Rows as the parts yield them."""


def timed(*seconds: float, base: tuple[float, ...] | None = None, **fields) -> dict:
    """A side of a step."""
    ratios = None if base is None else sorted(b / s for b, s in zip(base, seconds, strict=True))
    speedup = ratios and {"median": ratios[len(ratios) // 2], "low": ratios[0], "high": ratios[-1]}
    return {"seconds": list(seconds), "speedup": speedup, "peak_bytes": 2**30, "kernel_seconds": None} | fields


def ratio(value: float) -> dict[str, float]:
    return {"median": value, "low": value, "high": value}


def step_row(network: str) -> dict:
    slow = (0.4, 0.5, 0.6)
    sides = {
        "eager engine, bf16": timed(*slow, engine="eager", precision="bf16"),
        "gpu engine, fp32": {"engine": "gpu", "precision": "fp32", "error": "out of memory"},
        "gpu engine, bf16": timed(
            0.2, 0.2, 0.2, base=slow, engine="gpu", precision="bf16", kernel_seconds=0.15, peak_bytes=3 * 2**20
        ),
    }
    kinds = {"gpu engine, bf16": {"batch statistics": 0.05, "weight update": 0.1, "dropout by itself": 0.0}}
    return {"network": network, "batch": 128, "flops": 10**12, "sides": sides, "kinds": kinds}


def loss_row(role: str, *losses: float, precision: str = "fp32") -> dict:
    where = {"role": role, "device": "cuda" if role == "compared" else "cpu", "engine": "gpu", "precision": precision}
    return where | {"network": "wrn-10-2", "batch": 32, "losses": list(losses)}


def process_row(network: str, processes: int, rate: float) -> dict:
    return {"network": network, "processes": processes, "images_per_s": rate, "peak_bytes": 2**21}


def rows_on(device: str) -> dict[str, list[dict]]:
    """{part: rows} of a check in which all is well."""
    facts = {"type": device, "device": "NVIDIA T0" if device == "cuda" else "cpu", "host_cpu": "Xeon, 2 cores"}
    facts |= {"threads": 2, "torch": "2.15", "python": "3.11", "commit": "0123456789abcdef", "dirty": False}
    facts |= {"driver": "999.1", "cuda": "13.2", "cudnn": 92000, "capability": "9.0", "multiprocessors": 132}
    facts |= {"memory_bytes": 8 * 10**10, "free_bytes": 6 * 10**10, "mps": False}
    return {
        "device": [facts, {"matrix_flops": {"fp32": 5e13, "bf16": 1e13}}],
        "loss": [
            loss_row("reference", 2.0, 1.0),
            loss_row("yardstick", 2.0, 1.0001),
            loss_row("compared", 2.0002, 1.0009),
            loss_row("compared", 2.1, 1.1, precision="bf16"),
        ],
        "steps": [step_row("wrn-16-8"), step_row("wrn-10-2")],
        "attack": [
            {"network": "wrn-10-2", "images": images, "of": of, "seconds": {"gpu engine, bf16": [0.1, 0.15, 0.2]}}
            for images, of in ((100, "training"), (300, "evaluation"))
        ],
        "settings": [
            {"network": "wrn-10-2", "batch": 128, "benchmark": {"fp32": ratio(1.3), "bf16": ratio(1.05)}}
            | {"tf32": ratio(1.8)}
        ],
        "processes": [
            *(process_row("wrn-10-2", n, rate) for n, rate in ((1, 100.0), (2, 150.0), (4, 205.0))),
            *(process_row("wrn-16-8", n, rate) for n, rate in ((1, 100.0), (2, 101.0))),
            {"network": "wrn-16-8", "processes": 4, "error": "OutOfMemoryError"},
        ],
        "suite": [
            {"networks": 4, "finished": 4, "epochs_once": True, "killed_workers": 1, "exit_code": 0, "seconds": 65.0}
            | {"devices": [facts["device"]], "gpus_per_trial": 0.25 * (device == "cuda"), "last_line": "done"}
        ],
    }


def results_of(parts: dict[str, list[dict]]) -> dict:
    """The results of a finished check with these rows."""
    states = {name: {"state": "done", "seconds": 30.0, "rows": rows} for name, rows in parts.items()}
    return {"command": "python -m bench.speed gpu-check", "minutes": 10.0, "seconds": 210.0, "parts": states}
