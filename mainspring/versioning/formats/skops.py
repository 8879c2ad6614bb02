"""scikit-learn's models as skops files, made the same byte for byte whenever the model is the same.

skops itself writes memory addresses and the time into its files; here ids are numbered in order of appearance, members are
sorted, times are fixed, sets have an order, and what lies between the fields of an array's records is zero.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.base.errors import InvalidData, Refused
from mainspring.base.parsing import parsed
from mainspring.versioning.formats.trees import check_trees

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.versioning.formats.policy import Policy

TRUSTED = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "scipy.interpolate._bsplines.BSpline",
    "numpy.dtype",
    "collections.OrderedDict",
    "collections.defaultdict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRanker",
    "lightgbm.sklearn.LGBMRegressor",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRFClassifier",
    "xgboost.sklearn.XGBRFRegressor",
    "xgboost.sklearn.XGBRegressor",
)
"""Types of well-known libraries that hold no code, beyond those that skops itself trusts. Trees are checked after loading."""
_ADDRESS = "_stop_words_id"
"""Where scikit-learn's text vectorizers keep a memory address, by which they save themselves a check."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def save(model: Any, path: Path, policy: Policy) -> None:
    """Write a model.

    Raises:
        Refused: skops cannot take it, or it holds types that the policy does not trust; names them.
    """
    import skops.io

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = normalised(skops.io.dumps(model))
    except (TypeError, ValueError, AttributeError, RecursionError, NotImplementedError) as error:
        raise Refused(
            f"a {type(model).__name__} cannot be stored as a skops file: {error}",
            hint="set `model: {trust_pickle: true}` in mainspring.yaml to store it as a pickle, if you trust its code",
            type=f"{type(model).__module__}.{type(model).__name__}",
        ) from error
    _check_types(skops.io.get_untrusted_types(data=data), policy, type(model).__name__)
    path.write_bytes(data)


def load(path: Path, policy: Policy) -> Any:
    """Read a model; only trusted types are constructed.

    Raises:
        Refused: it holds types that the policy does not trust; names them, and none was constructed.
        InvalidData: it is no skops file, or not one that this version of the libraries can read.
    """
    import skops.io

    data = path.read_bytes()
    try:
        _check_types(skops.io.get_untrusted_types(data=data), policy, path.name)
        model = parsed(lambda: skops.io.loads(data, trusted=[*TRUSTED, *policy.trusted_types]))
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise InvalidData(
            f"{path.name} cannot be read as a skops file: {error}",
            hint="load it with the versions of Python and scikit-learn that its manifest names, or train again",
        ) from error
    check_trees(model)
    return model


def type_names(path: Path) -> set[str]:
    """Return the full names of all types that a skops file holds."""
    with zipfile.ZipFile(path) as archive:
        schema = json.loads(archive.read("schema.json"))
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            module, name = node.get("__module__"), node.get("__class__")
            if isinstance(module, str) and isinstance(name, str):
                found.add(f"{module}.{name}")
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return found


def normalised(data: bytes) -> bytes:
    """Return a skops file with the same content in its one normal form."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members.pop("schema.json"))
    _sort_sets(schema)
    names: dict[str, str] = {}
    _renumber(schema, {}, names)
    renamed = {names[name]: _unpadded(content) for name, content in members.items() if name in names}
    renamed["schema.json"] = json.dumps(schema, separators=(",", ":")).encode()
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name in sorted(renamed):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, renamed[name])
    return written.getvalue()


def _unpadded(content: bytes) -> bytes:
    """Return a stored array with zeros between the fields of its records, where otherwise anything may stand."""
    if not content.startswith(b"\x93NUMPY"):
        return content
    try:
        array = parsed(lambda: np.load(io.BytesIO(content), allow_pickle=False))
    except ValueError:
        return content
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    written = io.BytesIO()
    np.save(written, clean, allow_pickle=False)
    return written.getvalue()


def _renumber(node: Any, ids: dict[int, int], names: dict[str, str]) -> None:
    if isinstance(node, list):
        for item in node:
            _renumber(item, ids, names)
    if not isinstance(node, dict):
        return
    if node.get("__loader__") == "JsonNode" and isinstance(node.get("__id__"), int):
        del node["__id__"]  # whether two equal numbers are one object is an accident
    if isinstance(address := node.get(_ADDRESS), dict) and address.get("__loader__") == "JsonNode":
        address["content"] = "0"
    if isinstance(identity := node.get("__id__"), int):
        node["__id__"] = ids.setdefault(identity, len(ids) + 1)
    if isinstance(file := node.get("file"), str):
        suffix = file[file.rfind(".") :]
        node["file"] = names.setdefault(file, f"{len(names) + 1:06d}{suffix}")
    for value in node.values():
        _renumber(value, ids, names)


def _sort_sets(node: Any) -> None:
    for value in node.values() if isinstance(node, dict) else node:
        if isinstance(value, dict | list):
            _sort_sets(value)
    if isinstance(node, dict) and node.get("__loader__") == "SetNode" and isinstance(node.get("content"), list):
        node["content"].sort(key=lambda item: json.dumps(_nameless(item), sort_keys=True))


def _nameless(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: _nameless(value)
            for key, value in node.items()
            if not (key == "__id__" and isinstance(value, int)) and not (key == "file" and isinstance(value, str))
        }
    return [_nameless(item) for item in node] if isinstance(node, list) else node


def _check_types(found: list[str], policy: Policy, what: str) -> None:
    untrusted = sorted(set(found) - {*TRUSTED, *policy.trusted_types})
    if untrusted:
        raise Refused(
            f"{what} holds types that are not trusted: {', '.join(untrusted)}",
            hint="add them to `model.trusted_types` in mainspring.yaml if you know them, "
            "or set `model.trust_pickle: true` to store the model as a pickle",
            types=untrusted,
        )
