"""The probes by name, but for `accuracy`. A probe is a function (engine, test images, measurement, directory) → rows
for results.json, with the selected weights in `engine.net`; a new one is a function, a line here, and one in `passes`.
"""

from bench.measures.bn_statistics import bn_statistics
from bench.measures.cost import forward_cost
from bench.measures.gradient_masking import masking
from bench.measures.saliency import saliency
from bench.measures.transfer import transfer

PROBES = {
    "bn_statistics": bn_statistics,
    "saliency": saliency,
    "cost": forward_cost,
    "transfer": transfer,
    "masking": masking,
}
