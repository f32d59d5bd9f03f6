"""Runs → tidy frames: plans, results and their provenance."""
