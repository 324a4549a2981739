#!/usr/bin/env python3
"""Compares the scores of training and serving: runs every test image of a dataset through `mhkd evaluate` and through
the daemon.

    scripts/skew.py BUNDLE CATEGORY_FOLDER [--tolerance 1e-4]

CATEGORY_FOLDER is one category of a dataset in the layout of MVTec AD, MVTec LOCO AD or a plain folder:
its test images are in `test/TYPE`. Requires the release build: cargo build --release --workspace.

Exit codes: 0 no score differs by more than the tolerance and the AUROCs are equal, 1 otherwise, 2 wrong arguments.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# No cache next to the scripts.
sys.dont_write_bytecode = True

from started_daemon import address  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release"


def environment():
    """Environment with the locations of the libraries, as .cargo/config.toml sets them for Cargo."""
    library = ROOT / ".tools/onnxruntime/libonnxruntime.so"
    return {"ORT_DYLIB_PATH": str(library), "LIBTORCH": str(ROOT / ".tools/libtorch")} | os.environ


def trained(bundle, dataset, home):
    """Returns type and score of each image below `test`, and the AUROC, as `mhkd evaluate` computes them."""
    result = home / "evaluation.json"
    command = [BUILT / "mhkd", "evaluate", bundle, "--dataset", dataset, "--json", result]
    subprocess.run(command, env=environment(), check=True, stdout=subprocess.DEVNULL)
    evaluation = json.loads(result.read_text())
    scores = {}
    for scored in evaluation["scores"]:
        image = Path(scored["image"]).relative_to("test").as_posix()
        scores[image] = (scored["kind"], scored["score"])
    return scores, evaluation["all"]["auroc"]


def start_daemon(bundle, images, home):
    config = home / "inspectd.toml"
    config.write_text(
        '[server]\nlisten = "127.0.0.1:0"\nmetrics_listen = "off"\n'
        f'[model]\nbundle = {json.dumps(str(bundle))}\n[log]\nformat = "json"\n'
        f'[cameras.folder]\nsource = "folder"\npath = {json.dumps(str(images))}\n'
        'repeat = true\npace = "fast"\nmode = "triggered"\n'
    )
    log = (home / "inspectd.log").open("w")
    command = [BUILT / "inspectd", "--config", config]
    return subprocess.Popen(command, env=environment(), stderr=log)


def served(bundle, images, count, home):
    """Returns the score of each image as streamed by the daemon, which repeats the folder until all were seen."""
    daemon = start_daemon(bundle, images, home)
    try:
        server = f"http://{address(daemon, home / 'inspectd.log')}"
        command = [BUILT / "inspectctl", "--server", server, "watch", "--json", "--limit", str(2 * count)]
        watch = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        scores = {}
        for line in watch.stdout:
            event = json.loads(line)
            verdict = event.get("verdict")
            if verdict is None or verdict["score"] is None:
                sys.exit(f"an image was not judged: {line}")
            scores[verdict["source_item"]] = verdict["score"]["value"]
            if len(scores) == count:
                break
        watch.kill()
        watch.wait()
        return scores
    finally:
        daemon.terminate()
        daemon.wait()


def auroc(good, anomalous):
    """The share of pairs in which the anomalous image has the higher score; ties count half."""
    wins = sum((bad > fine) + 0.5 * (bad == fine) for bad in anomalous for fine in good)
    return wins / (len(good) * len(anomalous))


def compare(expected, found):
    """Returns the largest relative difference with its image, and the AUROC of the scores of the daemon."""
    missing = expected.keys() - found.keys()
    if missing:
        sys.exit(f"the daemon did not judge {sorted(missing)}")
    differences = [
        (abs(found[image] - score) / max(abs(score), sys.float_info.min), image)
        for image, (_, score) in expected.items()
    ]
    of = lambda wanted: [found[image] for image, (kind, _) in expected.items() if (kind == "good") == wanted]
    return max(differences), auroc(of(True), of(False))


def parse():
    parser = argparse.ArgumentParser(description="Compares mhkd's scores with the daemon's.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("dataset", type=Path, metavar="CATEGORY_FOLDER")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="largest relative difference allowed")
    arguments = parser.parse_args()
    for needed in (arguments.bundle / "manifest.toml", arguments.dataset / "test/good"):
        if not needed.exists():
            parser.error(f"{needed} does not exist")
    for program in ("mhkd", "inspectd", "inspectctl"):
        if not (BUILT / program).exists():
            parser.error(f"{BUILT / program} does not exist: cargo build --release --workspace builds it")
    return arguments


def main():
    arguments = parse()
    bundle, dataset = arguments.bundle.resolve(), arguments.dataset.resolve()
    with tempfile.TemporaryDirectory(prefix="inspectd-skew-") as home:
        expected, auroc_trained = trained(bundle, dataset, Path(home))
        found = served(bundle, dataset / "test", len(expected), Path(home))
    (difference, image), auroc_served = compare(expected, found)
    print(f"{len(expected)} images; largest relative difference {difference:.2e} ({image})")
    print(f"image AUROC: {auroc_trained:.6f} from mhkd evaluate, {auroc_served:.6f} from the daemon")
    same = difference <= arguments.tolerance and abs(auroc_trained - auroc_served) < 1e-9
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
