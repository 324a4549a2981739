"""A client of the edge agent of Lookout for Vision, as its users wrote them: stubs generated from the proto by grpcio-tools, shared
memory by multiprocessing.shared_memory. The test drives it: one JSON object a line on standard input, one answer each.

    client.py PROTO STUBS SOCKET
"""

import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import time
from multiprocessing import shared_memory
from pathlib import Path

import grpc

proto, stubs, socket = map(Path, sys.argv[1:])
subprocess.run(
    [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={proto.parent}", f"--python_out={stubs}",
     f"--grpc_python_out={stubs}", proto.name],
    check=True,
)
sys.path.insert(0, str(stubs))
import edge_agent_pb2 as pb2  # noqa: E402
from edge_agent_pb2_grpc import EdgeAgentStub  # noqa: E402

UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def picture(width, height, grey, spot):
    """An evenly grey image with a spot of 4 x 4 pixels in its middle."""
    rgb = bytearray([grey]) * (width * height * 3)
    for row in range(height // 2, height // 2 + 4):
        start = (row * width + width // 2) * 3
        rgb[start : start + 12] = bytes([spot]) * 12
    return bytes(rgb)


# Objects that several calls use.
HELD = {}


def hold(command):
    rgb = picture(command["width"], command["height"], command["grey"], command["grey"])
    held = shared_memory.SharedMemory(create=True, size=len(rgb))
    held.buf[:] = rgb
    HELD[held.name] = held
    return held.name


def bitmap(command, memories):
    width, height = command["width"], command["height"]
    if "held" in command:
        handle = pb2.SharedMemoryHandle(name=command["held"], size=width * height * 3)
        return pb2.Bitmap(width=width, height=height, shared_memory_handle=handle)
    # The true size of the image, where the stated one is wrong on purpose.
    true = command.get("true", [width, height])
    rgb = picture(*true, command["grey"], command.get("spot", command["grey"]))
    rgb = rgb[: command.get("bytes", len(rgb))]
    if "memory" not in command:
        return pb2.Bitmap(width=width, height=height, byte_data=rgb)
    memory = command["memory"]
    offset = memory.get("at", 0)
    held = shared_memory.SharedMemory(create=True, size=offset + len(rgb))
    memories.append(held)
    held.buf[offset : offset + len(rgb)] = rgb
    handle = pb2.SharedMemoryHandle(
        name=memory.get("name", held.name), size=memory.get("size", len(rgb)), offset=memory.get("offset", offset)
    )
    return pb2.Bitmap(width=width, height=height, shared_memory_handle=handle)


def colours(pixels):
    """The number of pixels of each colour."""
    if pixels.count(255) == len(pixels):
        return {"#FFFFFF": len(pixels) // 3}
    counts = {}
    for at in range(0, len(pixels), 3):
        colour = "#%02X%02X%02X" % tuple(pixels[at : at + 3])
        counts[colour] = counts.get(colour, 0) + 1
    return counts


def detect(stub, command):
    memories = []
    try:
        request = pb2.DetectAnomaliesRequest(model_component=command["model"], bitmap=bitmap(command, memories))
        needed = command["width"] * command["height"] * 3
        room = None
        if "mask" in command:
            mask = command["mask"]
            offset = mask.get("at", 0)
            room = shared_memory.SharedMemory(create=True, size=offset + needed + 16)
            memories.append(room)
            room.buf[:] = bytes([7]) * room.size
            request.anomaly_mask_params.shared_memory_handle.CopyFrom(
                pb2.SharedMemoryHandle(
                    name=mask.get("name", room.name), size=mask.get("size", needed), offset=mask.get("offset", offset)
                )
            )
        result = stub.DetectAnomalies(request, timeout=command.get("timeout")).detect_anomaly_result
        answer = {
            "is_anomalous": result.is_anomalous,
            "confidence": result.confidence,
            "anomalies": [
                [one.name, one.pixel_anomaly.total_percentage_area, one.pixel_anomaly.hex_color]
                for one in result.anomalies
            ],
        }
        if result.HasField("anomaly_mask"):
            found = result.anomaly_mask
            answer["mask_size"] = [found.width, found.height]
            answer["mask_in"] = found.WhichOneof("data")
            if room is None:
                pixels = found.byte_data
            else:
                handle = found.shared_memory_handle
                assert handle.name == room.name and handle.offset == offset and handle.size >= needed
                pixels = bytes(room.buf[offset : offset + needed])
                around = bytes(room.buf[:offset]) + bytes(room.buf[offset + needed :])
                answer["untouched"] = set(around) == {7}
            answer["mask"] = colours(pixels)
        return answer
    finally:
        for memory in memories:
            memory.close()
            memory.unlink()


def code(call):
    """The result of a call, or the status of its error."""
    try:
        return call()
    except grpc.RpcError as error:
        return {"code": error.code().name, "details": error.details()}


def status(number):
    return pb2.ModelStatus.Name(number)


def described(model):
    return {
        "model": model.model_component,
        "arn": model.lookout_vision_model_arn,
        "status": status(model.status),
        "message": model.status_message,
    }


def together(stub, command):
    """Makes calls at the same time. With a pid, this process is stopped until they are sent: then it finds all of them."""
    calls = command["calls"]
    stub.ListModels(pb2.ListModelsRequest())  # Connects.
    if "pid" in command:
        os.kill(command["pid"], signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        try:
            answers = [pool.submit(code, lambda one=one: run(stub, one)) for one in calls]
            time.sleep(2)
        finally:
            if "pid" in command:
                os.kill(command["pid"], signal.SIGCONT)
        return [answer.result() for answer in answers]


def run(stub, command):
    kind, model = command["call"], command.get("model", "")
    if kind == "list":
        return [described(model) for model in stub.ListModels(pb2.ListModelsRequest()).models]
    if kind == "describe":
        return described(stub.DescribeModel(pb2.DescribeModelRequest(model_component=model)).model_description)
    if kind == "start":
        return status(stub.StartModel(pb2.StartModelRequest(model_component=model)).status)
    if kind == "stop":
        return status(stub.StopModel(pb2.StopModelRequest(model_component=model)).status)
    if kind == "detect":
        return detect(stub, command)
    if kind == "hold":
        return hold(command)
    if kind == "together":
        return together(stub, command)
    raise ValueError(kind)


def main():
    for line in sys.stdin:
        # A connection for each command, as in the examples of the edge agent.
        with grpc.insecure_channel(f"unix://{socket}", options=UNLIMITED) as channel:
            stub = EdgeAgentStub(channel)
            print(json.dumps(code(lambda: run(stub, json.loads(line)))), flush=True)
    for held in HELD.values():
        held.close()
        held.unlink()


main()
