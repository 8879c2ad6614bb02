"""Room of monitoring."""
