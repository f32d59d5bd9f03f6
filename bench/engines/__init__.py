"""How f(x, λ) is computed: eagerly by torch, or by an engine of a device."""
