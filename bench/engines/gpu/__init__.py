"""The engine for accelerators: few kernel launches, no look from the host at the device, and fixed shapes.

engine.py            the Engine
spread_condition.py  λ of a batch → scale and shift of all norm layers, side by side in one tensor
batched_film.py      FiLM of all norm layers, the MLPs of equal shape in one batched product
masked_dual_bn.py    dual BN whose shapes do not depend on the number of λ=0 samples
autotune.py          the Engine with cuDNN's benchmark mode
graphs.py            the Engine with CUDA graphs of the attack
"""
