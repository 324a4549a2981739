"""Prints the scalars of a folder of TensorBoard event files as JSON, read by TensorBoard itself:
{tag: [[step, value], ...]}. Not a part of mhkd: the tests use it as the other side."""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

accumulator = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
accumulator.Reload()
scalars = {
    tag: [[event.step, event.value] for event in accumulator.Scalars(tag)]
    for tag in accumulator.Tags()["scalars"]
}
json.dump(scalars, sys.stdout)
