"""The packaged model without what only a batch of padded texts needs.

The exported graph adds a mask to every attention score, looks at every weight for rows in which nothing was left, and
computes GELU (Hendrycks and Gimpel 2016, arXiv:1606.08415) in five steps. Where each run is one text without padding
the first two change nothing, and onnxruntime has the third as one step. Without them an abstract takes a fifth less
time.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import NodeProto

INPUTS, OUTPUT = ("input_ids", "token_type_ids"), "last_hidden_state"


def unpadded(content: bytes) -> bytes:
    """Return an ONNX file of the packaged model that takes INPUTS of one text and gives the same OUTPUT.

    Args:
        content: the packaged ONNX file, whose graph this knows.
    """
    import onnx
    from onnx import helper, utils

    model = onnx.load_from_string(content)
    maker = {name: node for node in model.graph.node for name in node.output}
    users: dict[str, list[NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        for name in node.input:
            users[name].append(node)
    for node in model.graph.node:
        if node.op_type == "Softmax":
            node.input[0] = maker[node.input[0]].input[0]  # the scores, before the mask is added
            guarded = next(user for user in users[node.output[0]] if user.op_type == "Where")
            for user in users[guarded.output[0]]:
                user.input[list(user.input).index(guarded.output[0])] = node.output[0]
        elif node.op_type == "Erf":
            given = maker[node.input[0]].input[0]  # x of x / 2 (1 + erf(x / sqrt 2))
            last = node
            for _ in ("1 +", "/ 2", "x"):
                last = users[last.output[0]][0]
            last.CopyFrom(helper.make_node("Gelu", [given], list(last.output), domain="com.microsoft"))
    rest = utils.Extractor(model).extract_model(list(INPUTS), [OUTPUT])  # what still leads to the output
    rest.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    written: bytes = rest.SerializeToString()
    return written
