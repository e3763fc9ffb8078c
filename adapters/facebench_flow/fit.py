"""The end of a flow's training."""

from facebench.training.run import Run
from facebench_flow.learner import FlowLearner


def finish(run: Run, learner: FlowLearner) -> None:
    """Do nothing yet."""
