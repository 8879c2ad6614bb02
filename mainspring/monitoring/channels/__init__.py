"""Where alerts go: a log file, a webhook; and the record of what was delivered."""

__all__ = ["delivery", "log", "webhook"]
