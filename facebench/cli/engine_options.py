"""What ``eval``, ``score`` and whatever else looks at images let people choose."""

from pathlib import Path
from typing import Any

import click

from facebench.metrics.modes import DEFAULT, MODES
from facebench.metrics.table import METRICS
from facebench.options import (
    Decorator,
    device_option,
    limit_options,
    option_group,
    seed_option,
)

FACE_MODEL = "dlib"
"""What needs no download."""


def metrics_option(default: str) -> Decorator:
    """Return the option ``--metrics``; `default` says which are computed unasked."""
    return click.option(
        "--metrics",
        metavar="KEY,...",
        help=f"Any of {', '.join(METRICS)}.  [default: {default}]",
    )


def _extractor_option(default: str | None, told: str) -> Decorator:
    return click.option(
        "--extractor",
        default=default,
        metavar="NAME[@LAYER],...",
        help="Network whose features are compared: inception, dinov2 (FD-DINOv2 as EDM2 has it), "
        "clip (for cmmd), portrait or random (which need no download), one of torch-fidelity's "
        "(vgg16, clip-vit-b-32, ...), or your own as MODULE:FUNCTION or FILE.py:FUNCTION. Of "
        f"several, all give distances, the first one everything else.  [default: {told}]",
    )


extractor_option = _extractor_option(None, "inception, or portrait where its weights cannot be had")
inception_option = _extractor_option("inception", "inception")

faces_options = option_group(
    click.option(
        "--faces",
        is_flag=True,
        help="Look for faces, too: are there any, whose, in what pose, with which attributes?",
    ),
    click.option(
        "--face-model",
        metavar="NAME",
        help="What looks for faces and tells them apart: dlib, opencv (YuNet and SFace, faster), "
        "or your own as MODULE:FUNCTION or FILE.py:FUNCTION.  [default, with --faces: dlib]",
    ),
)

mode_option = click.option(
    "--mode",
    default=DEFAULT,
    show_default=True,
    type=click.Choice(list(MODES)),
    help="Whose definitions to follow, where another tool's number must be met.",
)


def _weight_files(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, Path]:
    pairs = [value.partition("=") for value in values]
    for name, equals, path in pairs:
        if not (name and equals and path):
            raise click.BadParameter("give NAME=FILE, e.g. inception=weights.pth")
    return {name: Path(path) for name, _, path in pairs}


weights_options = option_group(
    click.option(
        "--weights",
        multiple=True,
        callback=_weight_files,
        metavar="NAME=FILE",
        help="Take a network's weights (inception, alexnet, ...) from a file; may be repeated.",
    ),
    click.option(
        "--trust-weights",
        is_flag=True,
        help="Accept weight files whose digest is not the known one, and torch-fidelity's own "
        "loading of networks that facebench has no digest for (DINOv2's runs code of its "
        "repository).",
    ),
    click.option(
        "--offline", is_flag=True, help="Download nothing: refuse where weights are missing."
    ),
)

_batch_size = click.option(
    "--batch-size",
    type=click.IntRange(1),
    metavar="IMAGES",
    help="Images at a time; no score depends on it.  [default: by the memory there is]",
)
_precision = click.option(
    "--precision",
    default="fp32",
    show_default=True,
    type=click.Choice(["fp32", "tf32", "bf16"]),
    help="The network's arithmetic: fp32 is exact; tf32 (GPUs only) and bf16 are faster, and "
    "their results are ranked apart.",
)
_of_the_machine = option_group(
    click.option(
        "--compile/--no-compile",
        "compiled",
        default=None,
        help="Compile Inception first, which takes up to some minutes.  "
        "[default: from 50,000 images a model, 10,000 in bf16]",
    ),
    weights_options,
    limit_options,
    device_option,
)
engine_options = option_group(
    seed_option("Seed of the first image."), _batch_size, _precision, _of_the_machine
)
again_options = option_group(_batch_size, _of_the_machine)
"""Those of what is scored again as it was: which seeds and which arithmetic is not asked."""


def opened(
    *,
    weights: dict[str, Path],
    trust_weights: bool,
    offline: bool,
    time_limit: float,
    memory_limit: float | None,
    sampler_threads: int | None,
    faces: bool = False,
    face_model: str | None = None,
    **others: Any,
) -> dict[str, Any]:
    """Return options as :func:`facebench.evaluate` takes them."""
    from facebench.progress import bar
    from facebench.sandbox.limits import limits_of
    from facebench.weights import WeightSource

    looks = {"face_model": face_model or FACE_MODEL} if faces or face_model else {}
    return (
        others
        | looks
        | {
            "weights": WeightSource(weights, trust_weights, track=bar, offline=offline),
            "limits": limits_of(time_limit, memory_limit, sampler_threads),
            "track": bar,
        }
    )
