"""The SQL of tracking, one file a family of tables. Every function works inside its caller's transaction."""
