"""``mainspring.yaml``: its schema, how it is read, and its generated reference."""
