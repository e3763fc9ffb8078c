"""What compares a translator's answers with their targets, as far as metrics ask for it."""

from collections.abc import Sequence

from facebench import features
from facebench.engine.real_images import RealImages
from facebench.features.extractor import Extractor
from facebench.metrics.metric import OF_LPIPS_PAIRS, OF_PIXEL_PAIRS
from facebench.metrics.table import Metric
from facebench.weights import NoWeights, WeightSource

_NO_LPIPS = "no lpips_to_target, whose weights are not here: facebench weights fetch alexnet"


def to_targets(
    rows: Sequence[Metric], real: RealImages, weights: WeightSource, device: str
) -> list[Extractor]:
    """Return the extractors that `rows` need: LPIPS' only of targets that are large enough."""
    needs = {row.needs for row in rows}
    if real.pairs is None or not needs & {*OF_PIXEL_PAIRS, *OF_LPIPS_PAIRS}:
        return []
    from facebench.features.to_target import LPIPS_FROM, LPIPSToTargets, PixelsToTargets

    pairs = real.pairs.targets, real.pairs.asked.answers
    found: list[Extractor] = [PixelsToTargets(*pairs, device)]
    if needs & {*OF_LPIPS_PAIRS} and min(real.pairs.asked.size) >= LPIPS_FROM:
        found.append(LPIPSToTargets(*pairs, weights, device))
    return found


def why_no_lpips(real: RealImages, extractor: str, weights: WeightSource) -> str:
    """Say why answers are not compared by LPIPS unasked, or nothing where they are.

    Beside features that need no download its weights are taken only where they are here already.
    """
    if real.pairs is None or weights.locate("alexnet"):
        return ""
    if extractor in features.WITHOUT_DOWNLOAD:
        return _NO_LPIPS
    try:
        weights.find("alexnet")
    except NoWeights:
        return _NO_LPIPS
    return ""
