"""Writes cells.onnx, the graph of the daemon's tests: 32x32 frames, maps of 8x8 cells, and results that
a test can work out by hand. structural = a cell's largest byte / 255; logical = 0.001 / the cell's mean,
which is negligible, and infinite for a black cell.

With a second argument, also writes a graph there that fails in ONNX Runtime for a frame with a byte above 250: it then
reads beyond a tensor."""

import sys

from onnx import TensorProto, checker, helper, save

frame = helper.make_tensor_value_info("frame", TensorProto.UINT8, ["N", 32, 32, 3])
maps = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 8, 8]) for name in ("structural", "logical")]
constants = [
    helper.make_tensor("full", TensorProto.FLOAT, [], [255.0]),
    helper.make_tensor("little", TensorProto.FLOAT, [], [0.001]),
]
window = {"kernel_shape": [4, 4], "strides": [4, 4]}
nodes = [
    helper.make_node("Cast", ["frame"], ["levels"], to=TensorProto.FLOAT),
    helper.make_node("Transpose", ["levels"], ["planes"], perm=[0, 3, 1, 2]),
    helper.make_node("MaxPool", ["planes"], ["largest"], **window),
    helper.make_node("ReduceMax", ["largest"], ["peak"], axes=[1], keepdims=0),
    helper.make_node("Div", ["peak", "full"], ["structural"]),
    helper.make_node("AveragePool", ["planes"], ["means"], **window),
    helper.make_node("ReduceMean", ["means"], ["mean"], axes=[1], keepdims=0),
    helper.make_node("Div", ["little", "mean"], ["logical"]),
]


def write(path, nodes, constants):
    graph = helper.make_graph(nodes, "cells", [frame], maps, initializer=constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model, full_check=True)
    save(model, path)


write(sys.argv[1], nodes, constants)
if len(sys.argv) > 2:
    constants += [
        helper.make_tensor("bright", TensorProto.FLOAT, [], [250.0]),
        helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
    ]
    nodes = [node for node in nodes if node.output[0] != "structural"] + [
        helper.make_node("ReduceMax", ["levels"], ["brightest"], keepdims=0),
        helper.make_node("Greater", ["brightest", "bright"], ["is_bright"]),
        helper.make_node("Cast", ["is_bright"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["one", "index"], ["factor"]),
        helper.make_node("Div", ["peak", "full"], ["share"]),
        helper.make_node("Mul", ["share", "factor"], ["structural"]),
    ]
    write(sys.argv[2], nodes, constants)
