"""Pure functions from tidy frames and arrays to numbers with intervals; no files, no plots."""
