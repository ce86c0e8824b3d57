"""Folders of models: the packaged MiniLM as fastembed reads it, and a cross-encoder written by hand.

The ONNX file of the cross-encoder is written field by field as onnx.proto numbers them; onnxruntime runs it like any.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path

from citewell.embedding.minilm import packaged_model, packaged_tokenizer

_FLOAT, _INT64 = 1, 7  # TensorProto.DataType
_INT_ATTRIBUTE = 2  # AttributeProto.AttributeType
_OPSET = 13


def minilm_folder(folder: Path, **pooling: object) -> Path:
    """The packaged model with what fastembed asks for beside it; `pooling` is the content of 1_Pooling/config.json."""
    _with_tokenizer(folder)
    (folder / "model.onnx").write_bytes(packaged_model())
    if pooling:
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


def overlap_folder(folder: Path, sign: float = 1.0) -> Path:
    """A cross-encoder whose logit is `sign` times how many tokens of the text are tokens of the question."""
    _with_tokenizer(folder)
    (folder / "model.onnx").write_bytes(_overlap_model(sign))
    return folder


def _with_tokenizer(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_bytes(packaged_tokenizer())
    config = {"model_max_length": 512, "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def _overlap_model(sign: float) -> bytes:
    """A token of the question (type 0) against a token of the text (type 1): 1 where they are the same one."""
    nodes = [
        _node("Unsqueeze", ["input_ids", "second"], "asked"),
        _node("Unsqueeze", ["input_ids", "first"], "held"),
        _node("Equal", ["asked", "held"], "same"),
        _node("Cast", ["same"], "same_number", to=_FLOAT),
        _node("Cast", ["token_type_ids"], "in_text", to=_FLOAT),
        _node("Sub", ["one", "in_text"], "in_question"),
        _node("Unsqueeze", ["in_question", "second"], "rows"),
        _node("Unsqueeze", ["in_text", "first"], "columns"),
        _node("Mul", ["same_number", "rows"], "asked_for"),
        _node("Mul", ["asked_for", "columns"], "met"),
        _node("ReduceMax", ["met"], "met_at_all", axes=1),
        _node("ReduceSum", ["met_at_all", "last"], "count", keepdims=0),
        _node("Mul", ["count", "sign"], "logits"),
    ]
    constants = [
        _tensor("first", _INT64, struct.pack("<q", 1), [1]),
        _tensor("second", _INT64, struct.pack("<q", 2), [1]),
        _tensor("last", _INT64, struct.pack("<q", 2), [1]),
        _tensor("one", _FLOAT, struct.pack("<f", 1.0), [1]),
        _tensor("sign", _FLOAT, struct.pack("<f", sign), [1]),
    ]
    inputs = [_value(name, _INT64) for name in ("input_ids", "attention_mask", "token_type_ids")]
    graph = b"".join(
        [
            *(_part(1, node) for node in nodes),
            _part(2, b"overlap"),
            *(_part(5, constant) for constant in constants),
            *(_part(11, one) for one in inputs),
            _part(12, _value("logits", _FLOAT)),
        ]
    )
    return _number(1, 8) + _part(7, graph) + _part(8, _part(1, b"") + _number(2, _OPSET))


def _node(operator: str, inputs: Sequence[str], output: str, **attributes: int) -> bytes:
    parts = [_part(1, name.encode()) for name in inputs]
    parts += [_part(2, output.encode()), _part(4, operator.encode())]
    for name, value in attributes.items():
        if name == "axes":
            kept = _part(1, b"axes") + _number(8, value) + _number(20, 7)  # a list of integers
        else:
            kept = _part(1, name.encode()) + _number(3, value) + _number(20, _INT_ATTRIBUTE)
        parts.append(_part(5, kept))
    return b"".join(parts)


def _tensor(name: str, kind: int, raw: bytes, shape: Sequence[int]) -> bytes:
    return (
        b"".join(_number(1, size) for size in shape)
        + _number(2, kind)
        + _part(8, name.encode())
        + _part(9, raw)
    )


def _value(name: str, kind: int) -> bytes:
    """An input or output of two dimensions of any size."""
    shape = b"".join(_part(1, _part(2, size)) for size in (b"batch", b"length"))
    return _part(1, name.encode()) + _part(2, _part(1, _number(1, kind) + _part(2, shape)))


def _part(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))
