"""Which samples may show a real person: what nobody publishes unasked.

Those of a model of whose faces more look like training people than chance explains, or whose images
lie nearer to training images than other photographs do, for a copy of a photograph is that
photograph; answers to photographs; and what sanity checks make of real images.
"""

from facebench.results.result import Result, Value

LEAKAGE = "identity_leakage"
_COPIES = "authenticity"


def why_withheld(result: Result) -> str:
    """Return why none of its pictures is shown; nothing where its samples may be."""
    if result.protocol.pairs:
        return "Left out: these are made of photographs of real people, to look like them."
    if result.is_sanity:
        return "Left out: these are real photographs, as they are or spoilt."
    value = result.metrics.get(LEAKAGE)
    if value is not None and is_beyond_chance(value):
        return (
            "Left out: more of its faces look like someone in the training set than chance "
            "explains."
        )
    if _is_nearer_than_chance(result.metrics.get(_COPIES)):
        return (
            "Left out: more of its samples lie near a training image than held-out photographs do."
        )
    return ""


def _is_nearer_than_chance(authenticity: Value | None) -> bool:
    """Return whether more samples are like training images, as a whole, than real images are.

    A copy that is blurred or compressed until nobody can be recognised is still a photograph.
    """
    if authenticity is None or authenticity.floor is None or authenticity.high is None:
        return False
    return authenticity.high < authenticity.floor


def is_beyond_chance(value: Value) -> bool:
    """Return whether more faces look like training people than strangers do by chance."""
    excess = value.details.get("excess_low")
    if excess is not None and not isinstance(excess, str):
        return excess > 0
    if value.low is not None and value.floor is not None:
        return value.low > value.floor
    return value.floor is None or value.value > value.floor
