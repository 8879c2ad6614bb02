"""Room of reproducibility."""
