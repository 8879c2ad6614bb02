"""Automation: steps that remember, pipelines that are recorded, triggers that start them, and the loop that never sleeps.

Start reading at :mod:`~mainspring.automation.step` (what a function becomes), then
:mod:`~mainspring.automation.execute` (one recorded pass) and :mod:`~mainspring.automation.continuous` (from an event to
a released version).
"""

__all__ = [
    "candidates",
    "continuous",
    "delivery",
    "events",
    "execute",
    "pipeline",
    "plan",
    "recorder",
    "script",
    "step",
    "tick",
    "triggers",
    "worker",
]
