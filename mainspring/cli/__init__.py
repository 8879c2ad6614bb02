"""The command line: one file a principle; composes, prints, and never holds SQL."""
