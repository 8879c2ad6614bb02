"""Trees whose compiled code follows indices without looking: indices are checked before a tree from a file is used."""

from __future__ import annotations

from typing import Any

import numpy as np

from mainspring.base.errors import Corrupted


def check_trees(model: Any) -> None:
    """Check every tree inside a model: children inside of the tree and after their parent, features that there are.

    Raises:
        Corrupted: a tree that would read memory outside of its own.
    """
    seen: set[int] = set()
    waiting: list[tuple[Any, int | None]] = [(model, None)]
    while waiting:
        value, width = waiting.pop()
        if id(value) in seen or isinstance(value, str | bytes | int | float | bool | type(None)):
            continue
        seen.add(id(value))
        kind = type(value).__name__
        if kind == "TreePredictor":
            _check_predictor(value, width)
        elif kind == "Tree" and hasattr(value, "children_left"):
            _check_tree(value)
        elif kind in ("KDTree", "BallTree") and hasattr(value, "get_arrays"):
            _check_neighbours(value)
        elif isinstance(value, np.ndarray):
            if value.dtype == object:
                waiting.extend((item, width) for item in value.ravel())
        elif isinstance(value, list | tuple | set):
            waiting.extend((item, width) for item in value)
        elif isinstance(value, dict):
            waiting.extend((item, width) for item in value.values())
        elif hasattr(value, "__dict__") and not isinstance(value, type):
            inside = vars(value)
            features = inside.get("_n_features", inside.get("n_features_in_", width))
            waiting.extend((item, features if isinstance(features, int) else width) for item in inside.values())


def _check_predictor(tree: Any, width: int | None) -> None:
    nodes = tree.nodes
    rows = np.arange(len(nodes))
    inner = nodes["is_leaf"] == 0
    bad = len(nodes) == 0
    for side in ("left", "right"):
        child = nodes[side].astype(np.int64)
        bad = bad or bool(((child >= len(nodes)) | (child <= rows))[inner].any())
    if width is not None:
        bad = bad or bool((nodes["feature_idx"].astype(np.int64) >= width)[inner].any())
    categorical = inner & (nodes["is_categorical"] != 0)
    held = min(len(tree.raw_left_cat_bitsets), len(tree.binned_left_cat_bitsets))
    if bad or bool((nodes["bitset_idx"].astype(np.int64) >= held)[categorical].any()):
        raise _broken()


def _check_tree(tree: Any) -> None:
    left, right = np.asarray(tree.children_left), np.asarray(tree.children_right)
    rows = np.arange(len(left))
    inner = left != -1
    bad = len(left) == 0
    for child in (left, right):
        bad = bad or bool(((child >= len(left)) | (child <= rows))[inner].any())
    features = np.asarray(tree.feature)[inner]
    if bad or bool(((features < 0) | (features >= tree.n_features)).any()):
        raise _broken()


def _check_neighbours(tree: Any) -> None:
    rows, index, nodes, _ = (np.asarray(part) for part in tree.get_arrays())
    bad = bool(((index < 0) | (index >= len(rows))).any()) or len(index) != len(rows)
    for side in ("idx_start", "idx_end"):
        bad = bad or bool(((nodes[side] < 0) | (nodes[side] > len(rows))).any())
    *_, leaf_size, levels, count = tree.__getstate__()[:7]
    if bad or leaf_size < 1 or count != len(nodes) or count != 2 ** min(max(levels, 0), 62) - 1:
        raise _broken()


def _broken() -> Corrupted:
    return Corrupted("a decision tree in the model points outside of itself", hint="do not use this file: train again")
