"""Frozen: an immutable model whose key is a hash of its fields."""

import functools
import hashlib
import json

from pydantic import ConfigDict

from bench.spec.limits import TrueIsNoNumber

RECIPE_VERSION = 1  # raised whenever the same recipe would train another network than before


class Frozen(TrueIsNoNumber):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def canonical(self) -> str:
        """JSON with sorted keys and without the fields that have their default value.

        So a later version can add a field with a neutral default without changing the key of every old network. A new
        default that changes what is trained must raise RECIPE_VERSION.
        """
        return json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True, separators=(",", ":"))

    @property
    def key(self) -> str:
        """16 hexadecimal digits (64 bits) of the SHA-256 over the canonical JSON and the recipe version."""
        return key_of(self)


@functools.lru_cache(maxsize=100_000)
def key_of(model: Frozen) -> str:
    """The key of a model, cached by its fields' values: a plan needs each key some thirty times. A cache within the
    model would be carried along into its changed copies."""
    return hashlib.sha256(f"v{RECIPE_VERSION}:{model.canonical()}".encode()).hexdigest()[:16]
