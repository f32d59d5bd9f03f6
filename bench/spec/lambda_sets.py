"""The paper's λ sets (Sec. 4.1 and 4.4, App. C), and unions and differences of them."""

import re

from bench.errors import unknown

S1 = (0.0, 0.1, 0.2, 0.3, 0.4, 1.0)
S2 = (0.0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)
S3 = (0.15, 0.25, 0.35, 0.5, 0.7, 0.9)
S4 = (0.1, 0.2, 0.3, 0.4, 1.0)
LAMBDA_SETS = {"S1": S1, "S2": S2, "S3": S3, "S4": S4}


def lambda_set(name: str) -> tuple[float, ...]:
    """The λ of a set, or of unions and differences from left to right (`S2+S3-S1`), ascending. Raises ValueError."""
    words = re.split(r"\s*([+-])\s*", name.strip())
    for word in words[::2]:
        if word not in LAMBDA_SETS:
            raise ValueError(unknown("λ set", word, LAMBDA_SETS))
    values = set(LAMBDA_SETS[words[0]])
    for sign, word in zip(words[1::2], words[2::2], strict=True):
        values = values | set(LAMBDA_SETS[word]) if sign == "+" else values - set(LAMBDA_SETS[word])
    return tuple(sorted(values))
