"""Which schema this version of mainspring writes."""

HEAD = "0008"
"""The newest migration; a test holds it equal to what Alembic finds."""
