"""The metric card: what a reader should know of a metric beside its number, in words."""

import math

from facebench.metrics import validity
from facebench.metrics.table import Metric

DIRECTIONS = {
    "lower": ("↓", "lower is better"),
    "higher": ("↑", "higher is better"),
    "reference": ("≈", "closest to the real images' own value is best"),
}
"""Each direction as one character, and in words."""

_NEEDS = {
    "features": "features of the extractor",
    "logits": "logits of the extractor inception",
    "lpips": "LPIPS features (AlexNet)",
    "training": "features of the extractor, also of the training images",
    "labels": "features of the extractor, and a class for each image",
    "faces": "the face pass (--faces)",
    "training faces": "the face pass (--faces), also of the training images",
    "attributes": "the face pass (--faces), and attributes of the real images",
    "floors": "the Fréchet distances of two extractors or more, and their noise floors",
    "steps": "a model with a latent space, and LPIPS features (AlexNet) of twice as many images",
    "pairs": "a source and a target for each image (facebench eval-pairs)",
    "answers": "several answers to each source (facebench eval-pairs --seeds-per-source)",
    "lpips pairs": "LPIPS features (AlexNet) of answers and targets (facebench eval-pairs)",
    "lpips answers": "LPIPS features (AlexNet) of several answers to each source (facebench "
    "eval-pairs --seeds-per-source)",
    "paired faces": "the face pass (facebench eval-pairs --faces)",
}


def facts(row: Metric) -> dict[str, str]:
    """Return the facts of one metric by their labels; what is not known of it is left out."""
    asked = "" if row.default else "; computed only when asked for"
    found = {
        "reads": f"{DIRECTIONS[row.better][1]}{asked}",
        "caution": row.caution,
        "fails": "; ".join(validity.sentences(row.key)),
        "values": f"{_valid(*row.valid)}{_unit(row.unit)}",
        "needs": f"{_NEEDS[row.needs]}; at least {row.minimum} images a side",
        "intervals": row.interval_note,
        "paper": row.paper,
    }
    return {label: text for label, text in found.items() if text}


def _valid(low: float, high: float) -> str:
    if math.isinf(high):
        return "any number" if math.isinf(low) else f"{low:g} or more"
    return f"at most {high:g}" if math.isinf(low) else f"from {low:g} to {high:g}"


def _unit(unit: str) -> str:
    return "" if unit in ("", "1") else f", {unit}"
