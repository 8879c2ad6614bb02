"""Where everything is kept: records in a database, bytes in a content-addressed store, both of one workspace."""
