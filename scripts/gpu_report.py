#!/usr/bin/env python3
"""The stages of `scripts/gpu.sh run`, which finds the libraries and starts this program.

Each stage has a share of the time, writes OUT/run-TIME/STAGE.json, and continues after a failure. summary.json and
summary.md are written again after each measurement, so that an interruption keeps the finished results. Needs only the
standard library, except for the comparisons with PyTorch.
"""

import argparse
import csv
import importlib.util
import json
import math
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

INTERRUPT_GRACE_S = 20
BATCHES = [1, 2, 4, 8, 16, 32]
# Without TF32: the driver ignores the settings of the libraries.
NO_TF32 = {"NVIDIA_TF32_OVERRIDE": "0"}
PAPER_STEPS = 80_000
STAGES = ["parity", "speed", "training", "inference"]


class Skip(Exception):
    """A prerequisite is missing, or the time has expired."""


def full_settings():
    return {
        "parity_steps": 200, "parity_images": 8, "bench_steps": 100, "first_steps": 500, "most_steps": PAPER_STEPS,
        "gpu_runs": (10, 50), "cpu_runs": (1, 5), "batches": BATCHES, "input_size": 256,
    }  # fmt: skip


def rehearsal_settings():
    return {
        "parity_steps": 3, "parity_images": 2, "bench_steps": 2, "first_steps": 4, "most_steps": 12,
        "gpu_runs": (1, 2), "cpu_runs": (1, 2), "batches": BATCHES, "input_size": 64,
    }  # fmt: skip


class Session:
    """The paths, the remaining time, and the results so far."""

    def __init__(self, args):
        self.args = args
        self.settings = rehearsal_settings() if args.rehearsal else full_settings()
        self.start = time.monotonic()
        self.end = self.start + 60 * args.minutes
        self.out = Path(args.out).resolve() / time.strftime("run-%Y%m%d-%H%M%S")
        (self.out / "logs").mkdir(parents=True)
        self.mhkd = str(args.folder / "bin/mhkd")
        self.category = (args.folder / "category").read_text().strip()
        self.dataset = ["--dataset", str(args.folder / "data"), "--category", self.category]
        teacher = args.folder / "teacher.safetensors"
        self.network = ["--teacher", str(teacher)] if teacher.exists() else ["--preset", "small"]
        self.network += ["--input-size", str(self.settings["input_size"])]
        self.gpu = args.device != "cpu"
        self.torch_missing = args.no_cuda_torch if self.gpu else ""
        self.runtime_missing = args.no_cuda_runtime if self.gpu else ""
        self.bundle = None
        self.evaluate_s = None
        self.summary = {"rehearsal": args.rehearsal, "minutes": args.minutes, "stages": {}}

    def left(self):
        return self.end - time.monotonic()

    def save(self, stage=None):
        self.summary["seconds"] = round(time.monotonic() - self.start, 1)
        if stage:
            write_json(self.out / f"{stage}.json", self.summary["stages"][stage])
        write_json(self.out / "summary.json", self.summary)
        (self.out / "summary.md").write_text(markdown(self.summary), encoding="utf-8")

    def call(self, name, command, limit, env=None, plain=False):
        """Runs a command with a time limit and returns its standard output. `plain`: without the libraries of mhkd."""
        if limit < 1:
            raise Skip(f"{name}: no time is left")
        environment = {**os.environ, **(env or {})}
        if not plain:
            environment["LD_LIBRARY_PATH"] = self.args.library_path
            environment["ORT_DYLIB_PATH"] = self.args.onnxruntime
        log = self.out / "logs" / f"{name}.log"
        with open(log, "a+", encoding="utf-8") as errors, open(log.with_suffix(".out"), "w+", encoding="utf-8") as output:
            errors.write(f"$ {' '.join(map(str, command))}\n")
            errors.flush()
            # In a separate process group: an interruption is passed on once, and its end is awaited.
            process = subprocess.Popen(
                list(map(str, command)), stdout=output, stderr=errors, env=environment, start_new_session=True
            )
            try:
                process.wait(limit)
            except subprocess.TimeoutExpired:
                stop(process)
                raise Skip(f"{name}: stopped after {limit:.0f} s") from None
            except KeyboardInterrupt:
                stop(process)
                raise
            output.seek(0)
            text = output.read()
            if process.returncode:
                errors.seek(0)
                last = [line for line in errors.read().splitlines() if line.strip()][-1]
                raise RuntimeError(f"{name}: exit code {process.returncode}: {last[:300]}")
            return text


def stop(process):
    """Interrupts a process, so that a training saves a checkpoint, and kills it after a time."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(INTERRUPT_GRACE_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        # No effect on a process that has ended.
        process.kill()
        process.wait()


def write_json(path, value):
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    part.replace(path)


def attempt(stage, key, action):
    """Stores the result of `action` under `key`, or why there is none."""
    try:
        stage[key] = action()
    except (Skip, RuntimeError, OSError, ValueError, KeyError) as error:
        stage[key] = {"skipped" if isinstance(error, Skip) else "failed": str(error)}
        print(f"gpu: {key}: {'skipped' if isinstance(error, Skip) else 'FAILED'}: {error}", flush=True)
    return stage[key]


def ok(result):
    return isinstance(result, dict) and not {"skipped", "failed"} & result.keys()


# Facts of the machine.


def environment(session):
    facts = {"processor": platform.processor() or platform.machine(), "cores": len(os.sched_getaffinity(0))}
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            facts["processor"] = line.split(":", 1)[1].strip()
            break
    facts["mhkd"] = session.call("version", [session.mhkd, "--version"], 30).strip()
    facts["onnxruntime"], facts["libraries"] = session.args.onnxruntime, session.args.library_path
    fields = "name,driver_version,memory.total,clocks.max.sm,power.limit,compute_cap"
    if shutil.which("nvidia-smi"):
        attempt(facts, "nvidia_smi", lambda: session.call("nvidia-smi-list", ["nvidia-smi"], 30, plain=True))
        query = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv"]
        gpu = attempt(facts, "gpu", lambda: session.call("nvidia-smi", query, 30, plain=True).strip())
        print(facts["nvidia_smi"] if isinstance(gpu, str) else gpu, flush=True)
    else:
        facts["gpu"] = {"skipped": "nvidia-smi is not installed"}
        print("gpu: nvidia-smi is not installed", flush=True)
    facts["pytorch"] = pytorch_version(session)
    expected = session.args.folder / "torch-version"
    if facts["pytorch"] and expected.exists() and not facts["pytorch"].startswith(expected.read_text().strip()):
        print(f"gpu: PyTorch {facts['pytorch']} is installed, mhkd was built for {expected.read_text().strip()}", flush=True)
    return facts


def pytorch_version(session):
    """Version of PyTorch, None if it is not installed or does not see the GPU."""
    program = "import torch; print(torch.__version__, torch.cuda.is_available())"
    try:
        version, cuda = session.call("pytorch-version", [sys.executable, "-c", program], 120, plain=True).split()
    except (Skip, RuntimeError, ValueError):
        return None
    return version if cuda == "True" or not session.gpu else None


# Stage 1: the scores of CPU and GPU.


def subset(session):
    """Copies a few images of each kind, with their masks, to a dataset of the same layout."""
    source = session.args.folder / "data" / session.category
    target = session.out / "parity" / "data" / session.category
    count = session.settings["parity_images"]
    if not (source / "test").is_dir():
        return None
    for folder in filter(Path.is_dir, source.rglob("*")):
        relative = folder.relative_to(source)
        # Masks are copied with their images.
        if relative.parts[0] == "ground_truth":
            continue
        for file in sorted(filter(Path.is_file, folder.iterdir()))[:count]:
            (target / relative).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target / relative)
            masks = source / "ground_truth" / folder.name
            if relative.parts[0] == "test":
                for mask in [masks / file.stem, *masks.glob(f"{file.stem}[._]*")]:
                    place = target / "ground_truth" / folder.name / mask.name
                    place.parent.mkdir(parents=True, exist_ok=True)
                    if mask.is_dir():
                        shutil.copytree(mask, place)
                    elif mask.is_file():
                        shutil.copy(mask, place)
    for file in filter(Path.is_file, source.iterdir()):
        shutil.copy(file, target)
    return ["--dataset", str(target)]


def evaluate(session, name, model, device, dataset, limit, env=None):
    path = session.out / f"{name}.json"
    started = time.monotonic()
    command = [session.mhkd, "evaluate", model, "--device", device, "--json", path, *dataset]
    session.call(name.replace("/", "-"), command, limit, env)
    result = json.loads(path.read_text(encoding="utf-8"))
    result["seconds"] = time.monotonic() - started
    return result


def difference(reference, other):
    """Compares the scores of two evaluations of the same images."""
    pairs = [(a["score"], b["score"]) for a, b in zip(reference["scores"], other["scores"])]
    largest = max(abs(a) for a, _ in pairs)
    threshold = reference["threshold"]
    return {
        "runtime": other["model"]["runtime"],
        "images": len(pairs),
        "largest_absolute": max(abs(a - b) for a, b in pairs),
        "largest_relative_to_score": max(abs(a - b) / max(abs(a), 1e-12) for a, b in pairs),
        "largest_relative_to_largest_score": max(abs(a - b) for a, b in pairs) / max(largest, 1e-12),
        "different_decisions": sum((a > threshold) != (b > threshold) for a, b in pairs),
        "image_auroc": other["all"]["auroc"],
        "seconds": other["seconds"],
    }


def parity(session, stage, end):
    folder, device = session.out / "parity", session.args.device
    folder.mkdir()
    steps = session.settings["parity_steps"]
    training_device = device if not session.torch_missing else "cpu"
    run, bundle = folder / "run", folder / "bundle"
    left = lambda: end - time.monotonic()  # noqa: E731
    train = [
        session.mhkd, "train", *session.dataset, *session.network, "--out", run, "--steps", steps, "--precision", "f32",
        "--tf32", "false", "--log-every", 1, "--device", training_device,
    ]  # fmt: skip
    session.call("parity-train", train, left())
    attempt(stage, "export", lambda: {"text": session.call("export", [session.mhkd, "export", run, "--out", bundle], left())})
    if ok(stage["export"]):
        session.bundle = bundle
    dataset = subset(session) or session.dataset
    cases = [("bundle-cpu", bundle, "cpu", None), ("run-cpu", run, "cpu", None)]
    # With --cpu-rehearsal the second half repeats the first, and the differences are 0.
    cases += [(f"bundle-{session.args.device}", bundle, device, session.runtime_missing)]
    cases += [(f"run-{device}", run, device, session.torch_missing)]
    if session.gpu:
        cases += [(f"run-{device}-without-tf32", run, device, session.torch_missing)]
    else:
        cases = [(name if number < 2 else f"{name}-again", *rest) for number, (name, *rest) in enumerate(cases)]
    reference = None
    stage["steps"], stage["scores"] = steps, {}
    for name, model, where, missing in cases:

        def measure():
            nonlocal reference
            if missing:
                raise Skip(missing)
            env = NO_TF32 if name.endswith("without-tf32") else None
            result = evaluate(session, f"parity/{name.replace(':', '-')}", model, where, dataset, left(), env)
            if name == "run-cpu":
                session.evaluate_s = result["seconds"] / max(len(result["scores"]), 1)
            reference = reference or result
            return {"reference": reference["model"]["runtime"], **difference(reference, result)}

        attempt(stage["scores"], name, measure)
        session.save("parity")


# Stage 2: training steps by precision.


def speed(session, stage, end):
    precisions = ["f32", "tf32", "bf16"] if session.gpu else ["f32", "bf16"]
    steps, size = session.settings["bench_steps"], session.settings["input_size"]
    # (program, preset, MiB of cached teacher features)
    series = [("mhkd", "small", 0), ("pytorch", "small", 0), ("mhkd", "small", 2048), ("mhkd", "medium", 0), ("pytorch", "medium", 0)]
    for program, preset, cache in series[:3] if session.args.rehearsal else series:
        for precision in precisions:
            key = f"{program} {preset} {precision}{' cached' if cache else ''}"
            # By default, libtorch uses TF32 for convolutions, so f32 turns it off in the driver.
            env = NO_TF32 if precision == "f32" else None
            name = "f32" if precision == "tf32" else precision
            arguments = ["--preset", preset, "--precision", name, "--steps", steps, "--device", session.args.device]
            if program == "mhkd":
                command = [session.mhkd, "bench", "train", *arguments, "--input-size", size, "--json"]
                command += ["--teacher-cache-mib", cache]
            else:
                command = [sys.executable, session.args.bench_pytorch, *arguments, "--size", size]

            def measure():
                if program == "mhkd" and session.torch_missing:
                    raise Skip(session.torch_missing)
                if program == "pytorch" and not session.summary["environment"]["pytorch"]:
                    raise Skip("Python has no PyTorch for this device")
                limit = min(end - time.monotonic(), 120)
                text = session.call(f"speed-{key.replace(' ', '-')}", command, limit, env, program == "pytorch")
                result = json.loads(text.strip().splitlines()[-1])
                return {"steps_per_second": 1 / result["seconds_per_step_median"], **result}

            attempt(stage, key, measure)
            session.save("speed")


# Stage 3: a training run.


def rate_and_step(run):
    """Median steps/s of the later half of the log, and the last logged step."""
    with open(run / "losses.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return statistics.median(float(row["steps_per_second"]) for row in rows[len(rows) // 2 :]), int(rows[-1]["step"])


def shorten(run, step):
    """Makes `step` the last step of an interrupted run, so that resuming it calibrates it."""
    path = run / "settings.toml"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(f"steps = {step}\n" if line.startswith("steps = ") else line for line in lines), encoding="utf-8")


def training(session, stage, end):
    if session.torch_missing:
        raise Skip(session.torch_missing)
    device, run, most = session.args.device, session.out / "training", session.settings["most_steps"]
    precision = "bf16" if session.gpu else "f32"
    left = lambda: end - time.monotonic()  # noqa: E731
    fixed = ["--out", run, "--device", device]
    first = session.settings["first_steps"]
    begin = [*session.dataset, *session.network, "--precision", precision, "--steps", first]
    started = time.monotonic()
    session.call("training-first", [session.mhkd, "train", *fixed, *begin], left())
    rate, _ = rate_and_step(run)
    # Loading, teacher statistics and calibration, which each call repeats in part.
    overhead = max(time.monotonic() - started - first / rate, 1)
    images = sum(1 for _ in (session.args.folder / "data" / session.category / "test").rglob("*.*"))
    evaluation = min(max(1.5 * images * (session.evaluate_s or 0.2), 10), 0.3 * max(left(), 0))
    usable = 0.9 * (left() - evaluation - 1.5 * overhead)
    steps = min(most, first + int(usable * rate) // 10 * 10)
    stage.update(precision=precision, first_steps=first, steps_per_second=rate, planned_steps=steps)
    session.save("training")
    if steps > first:
        print(f"gpu: training: {steps} steps at {rate:.1f} steps/s", flush=True)
        resume = [session.mhkd, "train", *fixed, "--resume"]
        try:
            session.call("training", [*resume, "--steps", steps], left() - evaluation - overhead)
        except Skip as error:
            stage["interrupted"] = str(error)
            shorten(run, rate_and_step(run)[1])
            session.call("training-calibration", resume, left())
    stage["steps_per_second"], stage["steps"] = rate_and_step(run)
    stage["curve"] = [name for name in ("training/losses.csv", "training/curves.png") if (session.out / name).exists()]
    session.save("training")
    result = attempt(stage, "evaluation", lambda: evaluate(session, "training-evaluation", run, device, session.dataset, left()))
    if ok(result):
        keep = ("good", "mean_auroc", "threshold", "false_reject_rate", "detection_rate", "seconds")
        stage["evaluation"] = {"image_auroc": result["all"]["auroc"], **{key: result[key] for key in keep}}
    export = [session.mhkd, "export", run, "--out", session.out / "bundle"]
    # The stage of inference has its own time, of which the export may use a part.
    attempt(stage, "export", lambda: {"text": session.call("training-export", export, max(left(), 20))})
    if ok(stage["export"]):
        session.bundle = session.out / "bundle"


# Stage 4: inference.


def inference(session, stage, end):
    bundle = session.bundle or session.args.folder / "demo"
    stage["bundle"] = str(bundle)
    size = session.settings["input_size"]
    providers = [("cuda", session.args.device)] if session.gpu else []
    cases = [(name, device, batch) for name, device in [*providers, ("cpu", "cpu")] for batch in session.settings["batches"]]
    if session.bundle and not (session.args.folder / "teacher.safetensors").exists():
        at = len(session.settings["batches"]) if session.gpu else len(cases)
        cases[at:at] = [("pytorch", session.args.device, batch) for batch in session.settings["batches"]]
    for provider, device, batch in cases:
        warm_up, repeats = session.settings["cpu_runs" if device == "cpu" else "gpu_runs"]
        key = f"{provider} batch {batch}"
        name = f"inference-{key.replace(' ', '-')}"

        def measure():
            limit = min(end - time.monotonic(), 90)
            if provider == "pytorch":
                if not session.summary["environment"]["pytorch"]:
                    raise Skip("Python has no PyTorch for this device")
                command = [sys.executable, "-B", __file__, "pytorch", "--bench-pytorch", session.args.bench_pytorch]
                command += ["--device", device, "--size", size, "--batch", batch, "--warm-up", warm_up, "--repeats", repeats]
                return json.loads(session.call(name, command, limit, NO_TF32, plain=True).splitlines()[-1])
            if provider == "cuda" and session.runtime_missing:
                raise Skip(session.runtime_missing)
            path = session.out / "logs" / f"{name}.json"
            command = [session.mhkd, "bench", "inference", bundle, "--batch", batch, "--device", device]
            command += ["--warm-up", warm_up, "--repeats", repeats, "--json", path]
            session.call(name, command, limit)
            return json.loads(path.read_text(encoding="utf-8"))["bundles"][0]["timings"][0]

        attempt(stage, key, measure)
        session.save("inference")


def pytorch_inference(args):
    """The networks of preset `small` in PyTorch, eager, f32: frames in main memory to maps in main memory."""
    import torch

    spec = importlib.util.spec_from_file_location("bench_pytorch", args.bench_pytorch)
    twin = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(twin)
    device = torch.device(args.device)
    networks = [network.to(device).eval() for network in twin.networks(torch, "small", args.size // 4)]
    teacher, encoder1, encoder2, structural, logical = networks
    frames = torch.randint(0, 256, (args.batch, args.size, args.size, 3), dtype=torch.uint8)
    mean, std = (torch.tensor(value, device=device).view(1, 3, 1, 1) for value in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))

    @torch.inference_mode()
    def run():
        image = (frames.to(device).permute(0, 3, 1, 2).float() / 255 - mean) / std
        f_t, f_l = teacher(image), encoder1(image)
        f_h = encoder2(f_l)
        f_s, f_g = structural(f_h), logical(f_h)
        return [(a - b).square().mean(1).cpu() for a, b in ((f_s, f_t), (f_g, f_l))]

    seconds = []
    for _ in range(args.warm_up + args.repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    timed = sorted(seconds[args.warm_up :])
    at = lambda q: 1e3 * timed[min(int(q * len(timed)), len(timed) - 1)]  # noqa: E731
    result = {"provider": "pytorch", "batch": args.batch, "median_ms": 1e3 * statistics.median(timed)}
    result.update(p5_p95_ms=[at(0.05), at(0.95)], images_per_second=args.batch * len(timed) / sum(timed), runs=len(timed))
    print(json.dumps(result))


# The summary.


def number(value, digits=3):
    return "-" if value is None or not math.isfinite(value) else f"{value:.{digits}g}"


def reason(result):
    return next((f"{key}: {result[key]}" for key in ("skipped", "failed") if key in result), "")


def rows(results, columns):
    for name, result in results.items():
        if isinstance(result, dict):
            yield [name, *(columns(result) if ok(result) else [reason(result)])]


def table(head, lines):
    lines = [line + [""] * (len(head) - len(line)) for line in lines]
    return ["| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines]] + [""]


def markdown(summary):
    facts, stages = summary.get("environment", {}), summary["stages"]
    text = ["# Measurements on a GPU" if not summary["rehearsal"] else "# Rehearsal on a CPU, with few steps", ""]
    for key in ("gpu", "processor", "cores", "mhkd", "onnxruntime", "pytorch"):
        text.append(f"- {key}: {facts.get(key)}".replace("\n", "; "))
    text += [f"- time: {summary.get('seconds')} s of {60 * summary['minutes']} s", ""]
    for stage in STAGES:
        result = stages.get(stage)
        text += [f"## {stage.capitalize()}", ""]
        if result is None:
            text += ["Not started.", ""]
            continue
        if not ok(result):
            text += [f"Ended early: {reason(result)}", ""]
        text += globals()[f"{stage}_text"](result)
    return "\n".join(text)


def parity_text(stage):
    if "scores" not in stage:
        return []
    columns = lambda r: [  # noqa: E731
        r["runtime"], str(r["images"]), number(r["largest_absolute"]), number(r["largest_relative_to_largest_score"]),
        str(r["different_decisions"]), number(r["image_auroc"], 4),
    ]  # fmt: skip
    head = ["model and device", "runtime", "images", "largest difference", "relative to the largest score", "other decisions", "image AUROC"]
    return [f"Scores after {stage['steps']} steps, compared with the first row.", ""] + table(head, rows(stage["scores"], columns))


def speed_text(stage):
    columns = lambda r: [  # noqa: E731
        number(r["steps_per_second"]), number(1e3 * r["seconds_per_step_median"]), number(100 * r["wait_share"], 2),
    ]  # fmt: skip
    note = "Batch 1. f32 is without TF32; tf32 is libtorch's default, convolutions only. PyTorch does not decode images."
    return [note, ""] + table(["program, preset, precision", "steps/s", "ms/step", "waiting for data, %"], rows(stage, columns))


def training_text(stage):
    if "steps" not in stage:
        return []
    result = stage.get("evaluation", {})
    lines = [f"{stage['steps']} steps in {stage['precision']}, {number(stage['steps_per_second'])} steps/s, planned {stage['planned_steps']}."]
    if "interrupted" in stage:
        lines.append(f"The run was ended early ({stage['interrupted']}), so its learning rate was not lowered at the end.")
    if "image_auroc" in result:
        lines.append(f"Image AUROC {result['image_auroc']:.4f}, mean over types {result['mean_auroc']:.4f}.")
    elif result:
        lines.append(reason(result))
    return lines + [f"Curve: {', '.join(stage['curve'])}", ""]


def inference_text(stage):
    columns = lambda r: [  # noqa: E731
        number(r["median_ms"], 4), "{:.4g} to {:.4g}".format(*r["p5_p95_ms"]), number(r["images_per_second"], 4), str(r["runs"]),
    ]  # fmt: skip
    note = f"Frames in main memory to maps in main memory, f32 without TF32. Bundle: {Path(stage['bundle']).name}."
    return [note, ""] + table(["provider, batch", "median ms", "p5 to p95, ms", "images/s", "runs"], rows(stage, columns))


def run(args):
    session = Session(args)
    print(f"gpu: results: {session.out}", flush=True)
    # Also in the background of a shell, which ignores SIGINT there.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    total = 60 * args.minutes
    status = 0
    try:
        session.summary["environment"] = environment(session)
        session.save()
        # Parity and speed have limits; the training run takes the rest, except for the inference.
        for stage in STAGES:
            share = {"parity": 0.2, "speed": 0.2, "training": session.left() / total - 0.17, "inference": session.left() / total}[stage]
            end = time.monotonic() + min(share * total, session.left() - 5)
            print(f"gpu: {stage}: up to {end - time.monotonic():.0f} s", flush=True)
            result = session.summary["stages"].setdefault(stage, {})
            outcome = {}
            attempt(outcome, stage, lambda: globals()[stage](session, result, end))
            result.update(outcome[stage] or {})
            session.save(stage)
    except KeyboardInterrupt:
        print("gpu: interrupted", flush=True)
        session.summary["interrupted"], status = True, 130
    session.save()
    print((session.out / "summary.md").read_text(encoding="utf-8"))
    return status


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    stages = commands.add_parser("run", help="run the stages; started by gpu.sh")
    stages.add_argument("--folder", type=Path, required=True)
    stages.add_argument("--out", required=True)
    stages.add_argument("--minutes", type=int, default=15)
    stages.add_argument("--rehearsal", action="store_true")
    for name in ("--library-path", "--onnxruntime", "--no-cuda-torch", "--no-cuda-runtime"):
        stages.add_argument(name, default="")
    twin = commands.add_parser("pytorch", help="measure inference in PyTorch")
    for name in ("--size", "--batch", "--warm-up", "--repeats"):
        twin.add_argument(name, type=int, required=True)
    for command in (stages, twin):
        command.add_argument("--device", default="cuda:0")
        command.add_argument("--bench-pytorch", required=True)
    args = parser.parse_args()
    if args.command == "pytorch":
        pytorch_inference(args)
        return 0
    return run(args)


if __name__ == "__main__":
    sys.exit(main())
