"""V2's binary tensors: values behind the JSON of a request or an answer, as ``tritonclient`` sends them by default."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import numpy as np

from mainspring.serving.problem import Problem

HEADER = b"inference-header-content-length"
"""Says how many bytes of a body are JSON."""
_KINDS = {
    **{f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    "BOOL": "?",
}
_LENGTH = struct.Struct("<I")


def divide(body: bytes, said: bytes | None) -> tuple[bytes, memoryview]:
    """Return the JSON of a body and what comes after it; ``said`` is what the header says of the length.

    Raises:
        Problem: 400, it says something else than the body.
    """
    if said is None:
        return body, memoryview(b"")
    if not said.isdigit() or int(said[:19]) > len(body):
        raise Problem(400, f"the header {HEADER.decode()} does not fit a body of {len(body)} bytes")
    return body[: int(said)], memoryview(body)[int(said) :]


def size(name: str, parameters: dict[str, Any] | None) -> int | None:
    """Return how many bytes of a tensor are behind the JSON, or None if it is in the JSON.

    Raises:
        Problem: 400, that is no size.
    """
    given = (parameters or {}).get("binary_data_size")
    if given is not None and (type(given) is not int or given < 0):
        raise Problem(400, f"the tensor '{name}' has no usable binary_data_size", column=name)
    return given


def unpack(name: str, datatype: str, data: memoryview) -> list[Any]:
    """Return the values of a binary tensor; NaN becomes null.

    Raises:
        Problem: 400, the bytes are none of that type.

    >>> unpack("x", "FP32", memoryview(np.array([1, np.nan], "<f4").tobytes()))
    [1.0, None]
    """
    if datatype == "BYTES":
        return _texts(name, data)
    if datatype not in _KINDS:
        raise Problem(400, f"the tensor '{name}' is {datatype}, which is not read from binary data", column=name)
    kind = np.dtype(_KINDS[datatype])
    if len(data) % kind.itemsize:
        raise Problem(400, f"the tensor '{name}' has {len(data)} bytes, which is no number of {datatype}", column=name)
    values: list[Any] = np.frombuffer(data, kind).tolist()
    return [None if value != value else value for value in values] if kind.kind == "f" else values


def _texts(name: str, data: memoryview) -> list[Any]:
    texts = []
    start = 0
    while start < len(data):
        end = start + _LENGTH.size
        length = _LENGTH.unpack_from(data, start)[0] if end <= len(data) else len(data)
        if end + length > len(data):
            raise Problem(400, f"the tensor '{name}' ends within a text", column=name)
        try:
            texts.append(str(data[end : end + length], "utf-8"))
        except UnicodeDecodeError:
            raise Problem(400, f"the tensor '{name}' holds a text that is not UTF-8", column=name) from None
        start = end + length
    return texts


def pack(answer: dict[str, Any], binary: set[str]) -> tuple[bytes, int]:
    """Return an answer with the outputs named in ``binary`` behind its JSON, and how long the JSON is."""
    tail = bytearray()
    outputs = []
    for output in answer["outputs"]:
        if output["name"] in binary:
            data = _packed(output["datatype"], output["data"])
            tail += data
            output = {name: value for name, value in output.items() if name != "data"}
            output["parameters"] = {"binary_data_size": len(data)}
        outputs.append(output)
    head = msgspec.json.encode(answer | {"outputs": outputs})
    return head + bytes(tail), len(head)


def _packed(datatype: str, values: list[Any]) -> bytes:
    if datatype == "BYTES":
        texts = [str(value).encode() for value in values]
        return b"".join(_LENGTH.pack(len(text)) + text for text in texts)
    return np.array(values, dtype=_KINDS[datatype]).tobytes()
