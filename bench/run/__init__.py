"""The life of a run: from a request to trials on Ray to results on disk."""
