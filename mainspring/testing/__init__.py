"""Judging a candidate: checks with three-state verdicts, the gate they make, its reports, and the pytest plugin.

Import from the module that has the word: ``testing.gate`` (judge a version, the latest gate), ``testing.verdict``,
``testing.report`` (JSON, JUnit, markdown), ``testing.checks.*`` (one question each), ``testing.suite`` (passes of the
project's own tests), ``testing.endpoint`` (a real server, started for a test).
"""

__all__ = ["checks", "endpoint", "gate", "plugin", "report", "suite", "verdict"]
