"""From `runs/` to figures, CSV files and a page that shows them. Reads plain JSON; knows no Ray, MLflow or torch."""
