"""The engine: from models and a reference to Results."""

from facebench.engine.evaluate import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate"]
