"""MLflow: the index of the runs and its pages."""
