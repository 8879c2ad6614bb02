"""Serving: versions behind endpoints, asked over HTTP; released, watched and rolled back.

Import from the module that has the word: ``serving.supervisor`` (``serve``), ``releases``, ``predictions``, ``canary``,
``routes``, ``servers``.
"""

__all__ = ["canary", "predictions", "releases", "routes", "servers", "supervisor"]
