"""The end of a flow's training: how probable images are that it learnt, and that it did not."""

import click
import numpy as np

from facebench.training.run import Run
from facebench_flow.learner import FlowLearner
from facebench_flow.likelihood import bits_per_dimension

MEASURED = 16
"""Images of each part that are measured, at most: one takes as long as 128 in training."""


def finish(run: Run, learner: FlowLearner) -> None:
    """Measure what was learnt and what was held back (not the hold-out)."""
    parts = {"train": run.images} | ({"held_back": run.scored} if run.config["held_back"] else {})
    for name, images in parts.items():
        some = np.asarray(images[:MEASURED])
        bits = float(bits_per_dimension(learner.average, some, run.config["seed"]).mean())
        run.log(learner.steps, **{f"{name}_bits_per_dimension": bits})
        click.echo(f"{name.replace('_', ' ').capitalize()}: {bits:.3f} bits per dimension.")
