"""The Open Inference Protocol V2: tensors in, tensors out."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.serving import tensors
from mainspring.serving.payload import Columns, Payload, decode, positions
from mainspring.serving.problem import Problem

if TYPE_CHECKING:
    from mainspring.versioning.signature import Signature

DATATYPES = {
    "int64": "INT64",
    "float64": "FP64",
    "string": "BYTES",
    "boolean": "BOOL",
    "datetime": "BYTES",
    "date": "BYTES",
}
_FLOATS = {"FP16", "FP32", "FP64", "BF16"}
_INTEGERS = {f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)}
_KNOWN = _FLOATS | _INTEGERS | {"BOOL", "BYTES"}


class Tensor(msgspec.Struct, frozen=True):
    """A named array: values in row-major order, flat or nested as ``shape`` says."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | msgspec.UnsetType = msgspec.UNSET
    parameters: dict[str, Any] | None = None


class Wanted(msgspec.Struct, frozen=True):
    """An output that the client asks for."""

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct, frozen=True):
    """The body of ``/v2/models/{model}/infer``."""

    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[Wanted] | None = None


def parse(body: bytes, json_length: bytes | None = None) -> tuple[Payload, InferRequest]:
    """Return the rows of a request: one tensor a column, or one matrix with all columns in the signature's order.

    ``json_length`` is the header that says that binary tensors follow the JSON.

    Raises:
        Problem: 400, naming the tensor and what is wrong with it.
    """
    head, tail = tensors.divide(body, json_length)
    request: InferRequest = _whole(decode(head, InferRequest), tail)
    if not request.inputs:
        raise Problem(400, "'inputs' holds no tensor")
    matrix = len(request.inputs) == 1 and len(request.inputs[0].shape) == 2 and request.inputs[0].shape[1] != 1
    columns = _matrix(request.inputs[0]) if matrix else _by_name(request.inputs)
    rows = len(next(iter(columns.values()), []))
    if not rows:
        raise Problem(400, "there are no rows", hint="send at least one row")
    parameters = request.parameters or {}
    payload = Payload(
        columns=columns,
        rows=rows,
        positional=matrix,
        request_id=request.id,
        event_time=parameters.get("event_time"),
        parameters=parameters,
    )
    return payload, request


def _whole(request: InferRequest, tail: memoryview) -> InferRequest:
    """Return a request with all values in their tensors."""
    whole, start = [], 0
    for tensor in request.inputs:
        size = tensors.size(tensor.name, tensor.parameters)
        if size is not None:
            if tensor.data is not msgspec.UNSET or start + size > len(tail):
                raise Problem(400, f"the tensor '{tensor.name}' has other data than it says", column=tensor.name)
            data = tensors.unpack(tensor.name, tensor.datatype, tail[start : start + size])
            tensor = msgspec.structs.replace(tensor, data=data)
            start += size
        elif tensor.data is msgspec.UNSET:
            raise Problem(400, f"the tensor '{tensor.name}' has no data", column=tensor.name)
        whole.append(tensor)
    if start != len(tail):
        raise Problem(400, f"{len(tail) - start} bytes after the JSON belong to no tensor")
    return msgspec.structs.replace(request, inputs=whole)


def binary_outputs(request: InferRequest) -> set[str]:
    """Return the names of the outputs that the client wants as binary data."""
    every = bool((request.parameters or {}).get("binary_data_output"))
    wanted = request.outputs or [Wanted("label"), Wanted("score")]
    return {output.name for output in wanted if (output.parameters or {}).get("binary_data", every)}


def _by_name(given: list[Tensor]) -> Columns:
    columns: Columns = {}
    for tensor in given:
        if tensor.name in columns:
            raise Problem(400, f"the tensor '{tensor.name}' occurs twice", column=tensor.name)
        if len(tensor.shape) > 2 or (len(tensor.shape) == 2 and tensor.shape[1] != 1) or not tensor.shape:
            raise Problem(
                400,
                f"the tensor '{tensor.name}' has the shape {tensor.shape}; a column has the shape [n] or [n, 1]",
                column=tensor.name,
            )
        columns[tensor.name] = _values(tensor)
        if len(columns[tensor.name]) != given[0].shape[0]:
            raise Problem(
                400,
                f"the tensor '{tensor.name}' has {tensor.shape[0]} rows, '{given[0].name}' has {given[0].shape[0]}",
                column=tensor.name,
            )
    return columns


def _matrix(tensor: Tensor) -> Columns:
    values = _values(tensor)
    width = tensor.shape[1]
    return {name: values[index::width] for index, name in enumerate(positions(width))}


def _values(tensor: Tensor) -> list[Any]:
    if tensor.datatype not in _KNOWN:
        raise Problem(
            400, f"the tensor '{tensor.name}' has the unknown datatype '{tensor.datatype}'", column=tensor.name
        )
    values = list(tensor.data or ())
    for _ in tensor.shape[1:]:
        if not (values and isinstance(values[0], list)):
            break
        if set(map(type, values)) != {list}:
            raise Problem(400, f"the tensor '{tensor.name}' is nested unevenly", column=tensor.name)
        values = [value for row in values for value in row]
    if min(tensor.shape) < 0 or prod(tensor.shape) != len(values):
        raise Problem(
            400,
            f"the tensor '{tensor.name}' has {len(values)} values, and its shape {tensor.shape} says otherwise",
            column=tensor.name,
        )
    if tensor.datatype == "BOOL" and set(map(type, values)) <= {int}:
        return [bool(value) if value in (0, 1) else value for value in values]
    return values


def describe(name: str, versions: list[str], signature: Signature) -> dict[str, Any]:
    """Return the metadata of a model as V2 wants it."""
    classes = signature.target.classes
    scores = [-1, len(classes)] if classes is not None and signature.target.task == "multiclass" else [-1]
    return {
        "name": name,
        "versions": versions,
        "platform": "mainspring",
        "inputs": [
            {
                "name": column.name,
                "datatype": DATATYPES[column.dtype],
                "shape": [-1],
                "parameters": {"nullable": column.nullable, "dtype": column.dtype},
            }
            for column in signature.inputs
        ],
        "outputs": [
            {"name": "label", "datatype": label_datatype(classes), "shape": [-1]},
            {"name": "score", "datatype": "FP64", "shape": scores},
        ],
    }


def label_datatype(classes: list[str | int | float | bool] | None) -> str:
    """Return the V2 datatype of predicted labels.

    >>> label_datatype(None), label_datatype(["no", "yes"]), label_datatype([False, True]), label_datatype([0, 1])
    ('FP64', 'BYTES', 'BOOL', 'INT64')
    """
    kinds = {float} if classes is None else set(map(type, classes))
    for kind, datatype in ((str, "BYTES"), (float, "FP64"), (int, "INT64")):
        if kind in kinds:
            return datatype
    return "BOOL"


def outputs(labels: list[Any], scores: list[Any], datatype: str, wanted: list[Wanted] | None) -> list[dict[str, Any]]:
    """Return the output tensors, all of them or those the client named.

    Raises:
        Problem: 400, there is no output of that name.
    """
    rows = len(labels)
    multiclass = bool(scores) and isinstance(scores[0], list)
    shape = [rows, len(scores[0])] if multiclass else [rows]
    flat = [value for row in scores for value in row] if multiclass else scores
    known = {
        "label": {"name": "label", "datatype": datatype, "shape": [rows], "data": labels},
        "score": {"name": "score", "datatype": "FP64", "shape": shape, "data": flat},
    }
    check_outputs(wanted)
    return list(known.values()) if not wanted else [known[output.name] for output in wanted]


def check_outputs(wanted: list[Wanted] | None) -> None:
    """Refuse outputs that do not exist, before anything is predicted."""
    for output in wanted or ():
        if output.name not in ("label", "score"):
            raise Problem(400, f"there is no output '{output.name}'", hint="the outputs are 'label' and 'score'")
