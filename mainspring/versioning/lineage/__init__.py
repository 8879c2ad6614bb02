"""What came from what: one graph over datasets, runs, their steps, models, releases and endpoints.

The graph is read from the rows that every principle writes anyway, only as far as a question reaches.
"""

from mainspring.versioning.lineage.graph import Edge, Graph, Kind, Node
from mainspring.versioning.lineage.references import find
from mainspring.versioning.lineage.walk import walk

__all__ = ["Edge", "Graph", "Kind", "Node", "find", "walk"]
