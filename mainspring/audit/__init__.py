"""Room of audit."""
