"""What is missing: the checklist with its evidence, the maturity level, and the anti-patterns as findings.

``score`` composes; ``checklist`` holds the items, ``maturity`` the levels, ``antipatterns`` and ``notebooks`` the
findings, ``sarif`` and ``text`` the reports. Evidence comes from the records, from git and from files only; what was
not observed is missing.
"""

__all__ = ["antipatterns", "checklist", "maturity", "notebooks", "records", "sarif", "score"]
