"""The HTML and README pages of a report."""
