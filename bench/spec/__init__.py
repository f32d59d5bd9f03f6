"""Recipes, measurements, trials and suites, and the registry of the names that they may use. Needs no torch."""
