"""Probes: measurements on a trained network, SA and RA first (`accuracy`). Every reported number is computed in fp32.

bench/spec/registry.py names the probes and where their code is.
"""
