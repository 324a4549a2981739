"""Checks ONNX files with the ONNX checker, including shape inference.

    python3 check_onnx.py FILE...
"""

import sys

import onnx


def shape(value):
    return [dimension.dim_param or dimension.dim_value for dimension in value.type.tensor_type.shape.dim]


def check(path):
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    known = {value.name for value in [*inferred.graph.value_info, *inferred.graph.output]}
    for node in model.graph.node:
        unknown = set(node.output) - known
        if unknown:
            raise ValueError(f"{node.name}: cannot infer the shape of {unknown}")
    for kind, values in (("input", model.graph.input), ("output", inferred.graph.output)):
        for value in values:
            print(f"{path}: {kind} {value.name} {shape(value)}")


for name in sys.argv[1:]:
    check(name)
