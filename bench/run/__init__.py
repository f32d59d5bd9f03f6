"""The life of a run: from a command's request to trials on Ray to results on disk. No other folder imports Ray."""
