#!/usr/bin/env python3
"""Baseline for comparison with inspectd: a straightforward Python pipeline. OpenCV reads and resizes, ONNX
Runtime runs the bundle's graph, numpy computes the score, grpcio streams the verdict to a client process.

    baseline.py --bundle models/demo [--input VIDEO|IMAGE|FOLDER] [--frames N] [--threads N] [--fps N]

Without --input, frames are 1280x1024 pixels of noise. A single image is resized to that size.
Prints one JSON line: frames per second, median inference time, and the time from capture to receipt by the
client excluding inference.
"""

import argparse
import itertools
import json
import multiprocessing
import queue
import sys
import threading
import time
import tomllib
from concurrent import futures
from pathlib import Path

import cv2
import grpc
import numpy as np
import onnxruntime

FRAME_SIZE = (1280, 1024)  # width, height
IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
WARM_UP_FRAMES = 5
# Maximum number of verdicts waiting for the client; the pipeline blocks when the queue is full.
BACKLOG = 64
METHOD = "/baseline.Inspection/StreamVerdicts"


def frames(source):
    """Yields BGR frames endlessly."""
    if source is None:
        width, height = FRAME_SIZE
        image = np.random.default_rng(2026).integers(0, 256, (height, width, 3), np.uint8)
        yield from itertools.repeat(image)
    elif source.is_dir():
        paths = sorted(path for path in source.iterdir() if path.suffix.lower() in IMAGES)
        if not paths:
            sys.exit(f"{source}: no images found")
        for path in itertools.cycle(paths):
            yield read(path)
    elif source.suffix.lower() in IMAGES:
        yield from itertools.repeat(cv2.resize(read(source), FRAME_SIZE))
    else:
        yield from video(source)


def read(path):
    image = cv2.imread(str(path))
    if image is None:
        sys.exit(f"{path}: OpenCV cannot read this image")
    return image


def video(path):
    while True:
        capture = cv2.VideoCapture(str(path))
        found = False
        while (frame := capture.read()[1]) is not None:
            found = True
            yield frame
        if not found:
            sys.exit(f"{path}: OpenCV cannot read this video")


class Inspector:
    """An inference session of a bundle, with the computation of the score."""

    def __init__(self, bundle, threads):
        self.manifest = tomllib.loads((bundle / "manifest.toml").read_text())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        graph = bundle / self.manifest["graph"]["file"]
        self.session = onnxruntime.InferenceSession(
            str(graph), options, providers=["CPUExecutionProvider"]
        )

    def inspect(self, frame):
        """Returns the score and the inference time in nanoseconds."""
        size = (self.manifest["input"]["width"], self.manifest["input"]["height"])
        rgb = cv2.cvtColor(cv2.resize(frame, size), cv2.COLOR_BGR2RGB)
        start = time.monotonic_ns()
        maps = self.session.run(["structural", "logical"], {"frame": rgb[np.newaxis]})
        inference_ns = time.monotonic_ns() - start
        combined = sum(
            weight * self.normalise(name, map_[0])
            for name, weight, map_ in zip(("structural", "logical"), self.manifest["maps"]["weights"], maps)
        )
        height, width = frame.shape[:2]
        return float(cv2.resize(combined, (width, height)).max()), inference_ns

    def normalise(self, name, map_):
        quantiles = self.manifest["maps"][name]
        return 0.1 * (map_ - quantiles["a"]) / (quantiles["b"] - quantiles["a"])


def serve(verdicts, subscribed):
    """Starts a server with one method that streams the verdicts in the queue until None."""

    def stream(_request, _context):
        subscribed.set()
        yield from iter(verdicts.get, None)

    handler = grpc.unary_stream_rpc_method_handler(
        stream, response_serializer=lambda verdict: json.dumps(verdict).encode()
    )
    service, method = METHOD.strip("/").split("/")
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def client(port, results):
    """Subscribes and measures, for each verdict, the time until receipt excluding inference, in milliseconds."""
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    beyond_ms = []
    for message in channel.unary_stream(METHOD)(b""):
        # CLOCK_MONOTONIC is the same in all processes.
        received_ns = time.monotonic_ns()
        verdict = json.loads(message)
        elapsed_ns = received_ns - verdict["capture_ns"] - verdict["inference_ns"]
        beyond_ms.append(elapsed_ns / 1e6)
    results.put(beyond_ms)


def inspect_all(inspector, arguments, verdicts):
    """Inspects the frames; returns the inference time of each frame and the total time."""
    threshold = inspector.manifest["threshold"]["value"]
    source = frames(arguments.input)
    for frame in itertools.islice(source, WARM_UP_FRAMES):
        inspector.inspect(frame)
    inference_ms = []
    start = time.monotonic()
    for index in range(arguments.frames):
        if arguments.fps > 0:
            time.sleep(max(0, start + index / arguments.fps - time.monotonic()))
        frame = next(source)
        capture_ns = time.monotonic_ns()
        score, inference_ns = inspector.inspect(frame)
        inference_ms.append(inference_ns / 1e6)
        verdict = {
            "sequence": index + 1,
            "decision": "reject" if score > threshold else "pass",
            "score": score,
            "threshold": threshold,
            "capture_ns": capture_ns,
            "inference_ns": inference_ns,
        }
        verdicts.put(verdict)
    return inference_ms, time.monotonic() - start


def resident_mib():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/self/status has VmRSS on Linux")


def measure(arguments):
    inspector = Inspector(arguments.bundle, arguments.threads)
    verdicts, subscribed = queue.Queue(maxsize=BACKLOG), threading.Event()
    server, port = serve(verdicts, subscribed)
    processes = multiprocessing.get_context("spawn")
    results = processes.Queue()
    process = processes.Process(target=client, args=(port, results), daemon=True)
    process.start()
    if not subscribed.wait(timeout=30):
        sys.exit("the client did not subscribe within 30 s")
    inference_ms, wall_s = inspect_all(inspector, arguments, verdicts)
    verdicts.put(None)
    beyond_ms = results.get(timeout=30)
    process.join()
    rss_mib = resident_mib()
    server.stop(None)
    return {
        "pipeline": "python",
        "frames": len(beyond_ms),
        "threads": arguments.threads,
        "frames_per_second": round(arguments.frames / wall_s, 2),
        "inference_ms_p50": round(float(np.percentile(inference_ms, 50)), 3),
        "beyond_inference_ms_p50": round(float(np.percentile(beyond_ms, 50)), 3),
        "beyond_inference_ms_p99": round(float(np.percentile(beyond_ms, 99)), 3),
        "rss_mib": round(rss_mib, 1),
    }


def parse():
    parser = argparse.ArgumentParser(description="Times a straightforward Python pipeline on a bundle.")
    parser.add_argument("--bundle", type=Path, required=True, help="folder with model.onnx and manifest.toml")
    parser.add_argument("--input", type=Path, help="a video, an image to repeat, or a folder of images")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--threads", type=int, default=0, help="threads of ONNX Runtime; 0: its default")
    parser.add_argument("--fps", type=float, default=0, help="frames per second; 0: as fast as possible")
    arguments = parser.parse_args()
    if arguments.frames < 1 or arguments.threads < 0 or arguments.fps < 0:
        parser.error("--frames must be 1 or more, --threads and --fps 0 or more")
    if not (arguments.bundle / "manifest.toml").is_file():
        parser.error(f"{arguments.bundle} has no manifest.toml")
    if arguments.input is not None and not arguments.input.exists():
        parser.error(f"{arguments.input} not found")
    return arguments


if __name__ == "__main__":
    print(json.dumps(measure(parse())))
