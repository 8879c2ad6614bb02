"""Monitoring: profiles, validation, drift, monitors, and the alerts they raise.

``profile`` counts a table once; ``validate`` holds a table against a suite of expectations; ``drift`` compares two
tables; ``watch`` evaluates the monitors of a workspace; ``alerts`` keeps their state; ``data_gate`` stands before a run.
"""

__all__ = [
    "alerts",
    "channels",
    "data_gate",
    "drift",
    "profile",
    "proposal",
    "report",
    "suite",
    "validate",
    "watch",
]
