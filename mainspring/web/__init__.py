"""Room of web."""
