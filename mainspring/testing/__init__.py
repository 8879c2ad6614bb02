"""Room of testing."""
