"""Pure functions from arrays and tidy frames to numbers with intervals; docs/statistics.md has the rules."""
