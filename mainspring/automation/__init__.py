"""Room of automation."""
