"""What a pipeline is called with: datasets by the name of the parameter, and parameters of the settings or the caller."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from mainspring.base.errors import UsageError, did_you_mean
from mainspring.versioning.frames import to_container

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mainspring.automation.pipeline import Pipeline
    from mainspring.base.settings.schema import Settings
    from mainspring.versioning.data import Dataset


class Typed(str):
    """A parameter as somebody typed it; what it means depends on the pipeline's annotation."""

    __slots__ = ()


def choose(
    settings: Settings, pipeline: Pipeline[..., Any], given: Mapping[str, Any], *, configured: bool
) -> tuple[list[str], dict[str, Any]]:
    """Return which datasets the pipeline wants, and the value of every other parameter.

    ``given`` counts before the settings (``configured`` says whether these are about this pipeline), these before the
    function's defaults.

    Raises:
        UsageError: a parameter that the pipeline does not have, one without a value, one of a wrong type.
    """
    parameters = pipeline.signature.parameters
    known = [name for name, parameter in parameters.items() if parameter.kind not in _VARIADIC]
    settled = dict(settings.pipeline.parameters) if configured and settings.pipeline else {}
    for name in (*settled, *given):
        if name in settings.datasets and name in known:
            raise UsageError(f"'{name}' is a dataset, not a parameter", hint="leave it out: datasets are bound by name")
        if name not in known:
            free = [item for item in known if item not in settings.datasets]
            hint = did_you_mean(name, free) or f"its parameters: {', '.join(free) or 'none'}"
            raise UsageError(f"pipeline '{pipeline.name}' has no parameter '{name}'", hint=hint, parameter=name)
    datasets = [name for name in known if name in settings.datasets]
    chosen: dict[str, Any] = {}
    for name in known:
        if name in settings.datasets:
            continue
        if name in given or name in settled:
            chosen[name] = _convert(pipeline, name, given.get(name, settled.get(name)))
        elif parameters[name].default is not inspect.Parameter.empty:
            chosen[name] = parameters[name].default
        else:
            raise _missing(settings, pipeline, name)
    return datasets, chosen


def value_of(dataset: Dataset, annotation: Any) -> Any:
    """Return what a parameter with this annotation gets: the table by default, a path, a lazy frame or the handle."""
    if annotation is Path:
        if dataset.version.table_id is not None:
            raise UsageError(
                f"'{dataset.name}' is a Delta table, and whoever reads its files would not read one version of it",
                hint="annotate the parameter with pl.LazyFrame, pl.DataFrame or Dataset instead of Path",
                dataset=dataset.name,
            )
        return dataset.path
    if annotation is pl.LazyFrame:
        return dataset.scan()
    if getattr(annotation, "__name__", None) == "Dataset":
        return dataset
    if getattr(annotation, "__module__", "").partition(".")[0] == "pandas":
        return to_container(dataset.frame(), "pandas", {})
    return dataset.frame()


_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _missing(settings: Settings, pipeline: Pipeline[..., Any], name: str) -> UsageError:
    hint = did_you_mean(name, settings.datasets)
    if hint is None:
        hint = f"add a dataset '{name}', or a value under `pipeline: parameters:`, or run with `--param {name}=…`"
    return UsageError(f"pipeline '{pipeline.name}' needs '{name}', which is neither a dataset nor given", hint=hint)


def _convert(pipeline: Pipeline[..., Any], name: str, value: Any) -> Any:
    annotation = pipeline.annotation(name)
    if annotation is inspect.Parameter.empty:
        default = pipeline.signature.parameters[name].default
        annotation = Any if default is inspect.Parameter.empty or default is None else type(default)
    if isinstance(value, Typed):
        value = _understood(value, annotation)
    try:
        return msgspec.convert(value, annotation, strict=not isinstance(value, Typed))
    except msgspec.ValidationError as error:
        kind = getattr(annotation, "__name__", str(annotation))
        raise UsageError(
            f"parameter '{name}' of pipeline '{pipeline.name}' is {kind}, found {value!r}: {error}",
            hint=f"give it a {kind}",
        ) from None
    except TypeError:  # an annotation that only Python understands
        return str(value) if isinstance(value, Typed) else value


def _understood(text: Typed, annotation: Any) -> Any:
    if annotation is str:
        return str(text)
    try:
        value = msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        return (
            {"true": True, "yes": True, "false": False, "no": False}.get(text.lower(), str(text))
            if annotation is bool
            else str(text)
        )
    return float(value) if annotation is float and type(value) is int else value
