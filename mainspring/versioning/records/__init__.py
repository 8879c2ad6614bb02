"""The rows of versioning: all of its SQL."""
