"""The model of Triton's Python backend: runs model.onnx, which lies next to this file, with ONNX Runtime.

Triton's own ONNX backend does the same; it is not part of the server that the tests start.
"""

import os
import sys

# The interpreter within the backend does not read this variable.
sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)

import numpy
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, arguments):
        folder = os.path.join(arguments["model_repository"], arguments["model_version"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        graph = os.path.join(folder, "model.onnx")
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def execute(self, requests):
        return [self.run(request) for request in requests]

    def run(self, request):
        frame = triton.get_input_tensor_by_name(request, "frame").as_numpy()
        names = request.requested_output_names()
        maps = self.session.run(names, {"frame": numpy.ascontiguousarray(frame)})
        tensors = [triton.Tensor(name, values) for name, values in zip(names, maps)]
        return triton.InferenceResponse(tensors)
