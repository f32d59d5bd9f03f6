"""Blends: models between two ends by a weight α, which need no training of their own (docs/dials.md)."""
