"""Which format a model is stored in, and the modules that write and read them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from mainspring.base.errors import InvalidData, NotFound

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.versioning.formats.policy import Policy


class Codec(Protocol):
    """The two functions that every format's module has."""

    def save(self, model: Any, path: Path, policy: Policy) -> None:
        """Write a model; the same model gives the same bytes."""

    def load(self, path: Path, policy: Policy) -> Any:
        """Return an estimator, or a ``Native``; nothing outside of the policy is constructed."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """A way to store models: its name in manifests, the file's suffix, the suffixes it is recognised by."""

    name: str
    suffix: str
    recognised: tuple[str, ...] = ()

    @property
    def codec(self) -> Codec:
        """The module, imported when first needed."""
        return cast("Codec", importlib.import_module(f"mainspring.versioning.formats.{self.name}"))


FORMATS = {
    form.name: form
    for form in (
        Format(name="skops", suffix=".skops", recognised=(".skops",)),
        Format(name="lightgbm", suffix=".txt", recognised=(".txt", ".lgb")),
        Format(name="xgboost", suffix=".ubj", recognised=(".ubj", ".json", ".xgb")),
        Format(name="onnx", suffix=".onnx", recognised=(".onnx",)),
        Format(name="joblib", suffix=".joblib", recognised=(".joblib", ".pkl", ".pickle")),
    )
}
"""Every format by its name."""
_NATIVE = {("lightgbm", "Booster"): "lightgbm", ("xgboost", "Booster"): "xgboost", ("onnx", "ModelProto"): "onnx"}


def format_named(name: str) -> Format:
    """Return the format of a manifest.

    Raises:
        InvalidData: this version does not know it.
    """
    if name not in FORMATS:
        raise InvalidData(f"the model is stored as '{name}', which this version cannot read", hint="upgrade mainspring")
    return FORMATS[name]


def format_of_file(path: Path) -> Format:
    """Return the format that a model file's suffix names.

    Raises:
        InvalidData: no format has that suffix.
        NotFound: there is no such file.
    """
    if not path.is_file():
        raise NotFound(f"there is no model file {path}", path=str(path))
    for form in FORMATS.values():
        if path.suffix.lower() in form.recognised:
            return form
    known = ", ".join(suffix for form in FORMATS.values() for suffix in form.recognised)
    raise InvalidData(f"{path} is no model file: '{path.suffix}' is not known", hint=f"known suffixes: {known}")


def native_format(model: Any) -> Format | None:
    """Return the format of a LightGBM or XGBoost booster or an ONNX model; None for Python estimators."""
    raw = getattr(model, "raw", model)
    kind = type(raw)
    name = _NATIVE.get((kind.__module__.partition(".")[0], kind.__name__))
    if name is None and isinstance(raw, bytes):
        name = "onnx"
    return FORMATS[name] if name else None


def adapt(model: Any) -> Any:
    """Return a model in the form that predictions are computed from: an estimator, or a ``Native``."""
    form = native_format(model)
    if form is None or type(model).__name__ == "Native":
        return model
    module: Any = form.codec
    return module.wrap(model)
