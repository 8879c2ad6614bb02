"""Room of versioning."""
