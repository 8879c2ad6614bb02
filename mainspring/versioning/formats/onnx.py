"""ONNX models, run by ONNX Runtime on one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mainspring.base.errors import InvalidData
from mainspring.versioning.formats.libraries import library
from mainspring.versioning.formats.native import Native, matrix

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.versioning.formats.policy import Policy
    from mainspring.versioning.signature import Label, Task

_TYPES: dict[str, Any] = {
    "tensor(double)": np.float64,
    "tensor(float)": np.float32,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


def save(model: Any, path: Path, policy: Policy) -> None:  # noqa: ARG001 - every format has the same signature
    """Write the model's own bytes."""
    raw = getattr(model, "raw", model)
    path.write_bytes(raw if isinstance(raw, bytes) else raw.SerializeToString(deterministic=True))


def load(path: Path, policy: Policy) -> Native:  # noqa: ARG001 - the format holds no code
    """Read an ONNX model.

    Raises:
        InvalidData: ONNX Runtime is not installed, or cannot read the file.
    """
    return wrap(path.read_bytes())


def wrap(model: Any) -> Native:
    """Return an ONNX model with its task, read from what it answers to one row of zeros.

    Raises:
        InvalidData: its inputs or outputs are none that a table of rows fits.
    """
    runtime = library("onnxruntime", "ONNX Runtime", extra="onnx")
    raw = model if isinstance(model, bytes) else model.SerializeToString(deterministic=True)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = runtime.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InvalidData(f"this is no ONNX model that can be run: {error}", hint="export it again") from error
    feeds = session.get_inputs()
    for feed in feeds:
        if feed.type not in _TYPES:
            raise InvalidData(f"the ONNX input '{feed.name}' is {feed.type}, which no column fits")
    task, classes, width = _task(session, feeds)

    def compute(rows: Any) -> np.ndarray:
        values = _values(session.run(None, _feed(feeds, rows)))
        return values[:, 1] if task == "binary" else values if task == "multiclass" else values.reshape(len(values))

    def labels(rows: Any) -> list[Any]:
        return list(np.asarray(session.run(None, _feed(feeds, rows))[0]).reshape(-1).tolist())

    features = [feed.name for feed in feeds] if len(feeds) > 1 else None
    decides = labels if task != "regression" and len(session.get_outputs()) > 1 else None
    named = classes or _named(raw, width)
    return Native(raw=raw, task=task, compute=compute, classes=named, width=width, features=features, labels=decides)


def _named(raw: bytes, width: int) -> list[Label] | None:
    """Return the classes that the graph names; those that are only numbered from 0 have no names."""
    try:
        import onnx
    except ImportError:
        return None
    graph = onnx.load_model_from_string(raw).graph
    tables = {tensor.name: tensor for tensor in graph.initializer}
    for node in reversed(graph.node):
        found: list[Any] = []
        for attribute in node.attribute:
            if attribute.name.startswith("classlabels_"):
                found = list(attribute.strings or attribute.ints)
        if node.op_type == "ArrayFeatureExtractor" and node.input[0] in tables:
            found = onnx.numpy_helper.to_array(tables[node.input[0]]).reshape(-1).tolist()
        classes: list[Label] = [name.decode() if isinstance(name, bytes) else name for name in found]
        if len(classes) == width and classes != list(range(width)):
            return classes
    return None


def _task(session: Any, feeds: list[Any]) -> tuple[Task, list[Label] | None, int]:
    answer = session.run(None, {feed.name: _zeros(feed) for feed in feeds})
    classes = list(answer[-1][0]) if isinstance(answer[-1], list) and isinstance(answer[-1][0], dict) else None
    values = _values(answer)
    width = values.shape[1] if values.ndim == 2 else 1
    if len(answer) == 1 and width == 1:
        return "regression", None, 0
    if width < 2:
        raise InvalidData(
            "the ONNX model answers labels without probabilities",
            hint="export it with probabilities as its last output",
        )
    return ("binary" if width == 2 else "multiclass"), classes, width


def _values(answer: list[Any]) -> np.ndarray:
    last = answer[-1]
    if isinstance(last, list) and last and isinstance(last[0], dict):
        return np.array([list(row.values()) for row in last], dtype=np.float64)
    return np.asarray(last, dtype=np.float64)


def _zeros(feed: Any) -> np.ndarray:
    shape = [1, *(size if isinstance(size, int) else 1 for size in feed.shape[1:])]
    empty = "" if feed.type == "tensor(string)" else 0
    return np.full(shape, empty, dtype=_TYPES[feed.type])


def _feed(feeds: list[Any], rows: Any) -> dict[str, np.ndarray]:
    if len(feeds) == 1:
        return {feeds[0].name: matrix(rows).astype(_TYPES[feeds[0].type])}
    if not isinstance(rows, pl.DataFrame):
        raise InvalidData("an ONNX model with an input for each column takes a table with names")
    return {feed.name: _column(rows.get_column(feed.name), _TYPES[feed.type]) for feed in feeds}


def _column(column: pl.Series, dtype: Any) -> np.ndarray:
    if dtype is np.object_:
        return np.array(column.cast(pl.String).fill_null("").to_list(), dtype=object).reshape(-1, 1)
    return matrix(column.to_frame()).astype(dtype)
