"""What differs between two states of a dataset: ``sides`` (the states), ``files``, ``columns``, ``rows``."""

__all__ = ["columns", "files", "rows", "sides"]
