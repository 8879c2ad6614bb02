"""Room of tracking."""
