"""Writes single.onnx, a test graph of the engine: grid.onnx (`grid.py`) with only the structural map, the mean of
the bytes of each 4x4 cell."""

import sys

from onnx import TensorProto, checker, helper, save

frame = helper.make_tensor_value_info("frame", TensorProto.UINT8, ["N", 8, 12, 3])
structural = helper.make_tensor_value_info("structural", TensorProto.FLOAT, ["N", 2, 3])
nodes = [
    helper.make_node("Cast", ["frame"], ["levels"], to=TensorProto.FLOAT),
    helper.make_node("Transpose", ["levels"], ["planes"], perm=[0, 3, 1, 2]),
    helper.make_node("AveragePool", ["planes"], ["means"], kernel_shape=[4, 4], strides=[4, 4]),
    helper.make_node("ReduceMean", ["means"], ["structural"], axes=[1], keepdims=0),
]
graph = helper.make_graph(nodes, "single", [frame], [structural])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
checker.check_model(model, full_check=True)
save(model, sys.argv[1])
