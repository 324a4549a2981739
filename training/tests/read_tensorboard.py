"""Prints the scalars of a folder of TensorBoard event files as JSON: {tag: [[step, value], ...]}.

Uses the reader of TensorBoard. The tests check the event files of mhkd with it."""

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
