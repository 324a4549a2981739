"""Curves of the running line: cameras, subscribers, image size."""

import json

from .curve import Curve, Metric
from .programs import ROOT, output, small_model

# From all cameras together, verdicts per second.
CAMERAS_RATE = 64
SUBSCRIBERS_RATE = 150
SUBSCRIBERS_CAMERAS = 4
SECONDS, QUICK_SECONDS = 20, 2
FRAMES, QUICK_FRAMES = 200, 10
# A start, a stop, and the connections.
OVERHEAD_S = 3
# A frame of the latency measurement with the demo model, which waits for one and a half inferences.
FRAME_S = 0.12
SIZES = {width * height: (width, height) for width, height in ((320, 256), (640, 512), (1280, 1024), (2560, 2048))}


def duration(settings):
    return QUICK_SECONDS if settings.quick else SECONDS


def streams(settings, clients, cameras, rate):
    """Runs `inspectd bench-streams` with the model of the daemon's tests, with a journal. With several threads, ONNX Runtime
    spins after each inference, for much longer than the daemon works."""
    arguments = ["--bundle", small_model(settings.work, rejects=False), "--threads", 1, "--seconds", duration(settings)]
    arguments += ["--clients", clients, "--cameras", cameras, "--rate", rate, "--json"]
    report = json.loads(output(settings.work, "inspectd", "bench-streams", *arguments))
    return {
        "cpu_s": report["daemon_cpu"],
        "cpu_ms_per_verdict": 1e3 * report["daemon_cpu"] / report["verdicts_per_second"],
        "cpu_us_per_delivery": 1e6 * report["daemon_cpu"] / report["deliveries_per_second"],
        "rate": report["verdicts_per_second"],
        "mib": report["daemon_mib"],
        "p50_ms": report["latency_ms_p50"],
        "p99_ms": report["latency_ms_p99"],
        "lost": report["lost"],
        "raw": report,
    }


def image_size(pixels, settings):
    width, height = SIZES[pixels]
    frames = QUICK_FRAMES if settings.quick else FRAMES
    # The throughput, which does not depend on this size, is measured for the shortest possible time.
    arguments = ["--rounds", 1, "--frames", 5, "--latency-frames", frames, "--width", width, "--height", height, "--json"]
    report = json.loads(output(settings.work, "inspectd", "bench", "--bundle", ROOT / "models/demo", *arguments))
    latency = report["latency"]
    return {
        "beyond_p50_ms": latency["beyond_inference_ms_p50"],
        "beyond_p99_ms": latency["beyond_inference_ms_p99"],
        "preprocess_ms": latency["preprocess_ms_p50"],
        "judge_ms": latency["judge_ms_p50"],
        "raw": report,
    }


CAMERAS = Curve(
    name="cameras",
    title=f"Cameras at {CAMERAS_RATE} frames per second in total",
    axis="cameras",
    values=(1, 2, 4, 8, 16),
    rounds=3,
    metrics=(
        Metric("cpu_ms_per_verdict", "daemon", "ms", "CPU time per verdict", each=True),
        Metric("mib", "daemon", "MiB", "resident memory"),
        Metric("p50_ms", "median", "ms", "capture to receipt"),
        Metric("p99_ms", "p99", "ms", "capture to receipt"),
        Metric("rate", "per second", "1/s", "verdicts", fact=True),
        Metric("lost", "lost", "verdicts", "verdicts", fact=True),
    ),
    measure=lambda value, settings: streams(settings, 1, value, CAMERAS_RATE),
    seconds=lambda value, settings: duration(settings) + OVERHEAD_S,
)

SUBSCRIBERS = Curve(
    name="subscribers",
    title=f"Subscribers at {SUBSCRIBERS_RATE} verdicts per second from {SUBSCRIBERS_CAMERAS} cameras",
    axis="clients that read all verdicts",
    values=(1, 10, 50, 100, 200),
    rounds=3,
    metrics=(
        Metric("cpu_s", "daemon", "s", "CPU time per second"),
        Metric("cpu_us_per_delivery", "daemon", "µs", "CPU time per delivery", each=True),
        Metric("p50_ms", "median", "ms", "capture to receipt"),
        Metric("p99_ms", "p99", "ms", "capture to receipt"),
        Metric("mib", "daemon", "MiB", "resident memory"),
        Metric("rate", "per second", "1/s", "verdicts", fact=True),
        Metric("lost", "lost", "deliveries", "deliveries", fact=True),
    ),
    measure=lambda value, settings: streams(settings, value, SUBSCRIBERS_CAMERAS, SUBSCRIBERS_RATE),
    seconds=lambda value, settings: duration(settings) + OVERHEAD_S + value / 50,
)

IMAGE_SIZE = Curve(
    name="image-size",
    title="Size of the images, demo model, one camera",
    axis="pixels of an image",
    values=tuple(SIZES),
    rounds=3,
    label=lambda pixels: "{}x{}".format(*SIZES[pixels]),
    metrics=(
        Metric("beyond_p50_ms", "median", "ms", "capture to receipt without inference"),
        Metric("beyond_p99_ms", "p99", "ms", "capture to receipt without inference"),
        Metric("preprocess_ms", "preprocessing, median", "ms", "stages"),
        Metric("judge_ms", "judging, median", "ms", "stages"),
    ),
    measure=image_size,
    seconds=lambda value, settings: 5 + value / 1e6 + (QUICK_FRAMES if settings.quick else FRAMES) * FRAME_S,
)
