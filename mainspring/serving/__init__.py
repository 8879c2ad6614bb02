"""Room of serving."""
