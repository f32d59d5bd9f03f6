"""Attacks on a conditioned network (bench/spec/registry.py names them; docs/extending.md tells how to add one)."""
