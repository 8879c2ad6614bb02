"""The expectations a suite may hold: each becomes polars expressions, and a judgement of what they gave."""

__all__ = ["aggregates", "columns", "pairs", "plan", "registry", "rows", "tables"]
