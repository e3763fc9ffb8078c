"""What ``facebench verify`` says of a row: ``verdicts/NAME.json``."""

from typing import Literal

import msgspec

from facebench.results.manifest import Sha256
from facebench.results.result import Natural, Positive, Value

Outcome = Literal["reproduced", "too good", "too bad", "altered", "not judged"]
Likeness = Literal["same", "close", "other", "absent"]
Badge = Literal["reported", "reproduced", "not reproduced"]


class JudgedValue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of one metric."""

    submitted: float
    outcome: Outcome
    """How the submitted value is to the redrawn one; "altered": its record contradicts itself, or
    the real images."""
    redrawn: Value | None = None
    """What as many images of the redrawn seeds score; null where it was not computed."""
    low: float | None = None
    """Where the interval begins in which the submitted value must lie; null: not judged."""
    high: float | None = None
    p: float | None = None
    """The share of honest rows, with as many metrics, of which some value would be as far off."""
    why: str = ""
    """In words, where it is not reproduced or not judged."""


class ComparedPictures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The submitted pictures beside those that the model draws of the same seeds here."""

    likeness: Likeness
    """"same": to the bit; "close": each within the tolerance; "absent": there are none."""
    count: Natural = 0
    mean: float | None = None
    """The mean absolute difference, in grey levels."""
    largest: Natural | None = None
    """The largest one of any pixel."""


class Verdict(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    tag_field="format",
    tag="facebench-verdict/1",
):
    """``verdicts/NAME.json``: whether the values of one row were got again."""

    model: str
    record: Sha256
    """The digest of what it judges, see :func:`facebench.results.digest.row_digest`."""
    reproduced: bool
    """Whether all values that can be judged are reproduced, the one that ranks among them, and the
    pictures are no others."""
    ranking: str
    """The metric that boards are ordered by."""
    level: float
    """The share of honest rows that are not called reproduced."""
    metrics: dict[str, JudgedValue]
    pictures: ComparedPictures
    num: Positive
    """How many images were redrawn, as many as were submitted."""
    first_seed: Natural
    """The first of the redrawn seeds."""
    seed_from: Literal["the operating system", "the command line"]
    """What chose it. A board honours only those that nobody chose."""
    model_digest: str
    """That of the model they were drawn from, which tells where its files lie as well."""
    environment: dict[str, str]
    """Versions and device."""
    created: str
    """ISO 8601, UTC."""

    @property
    def badge(self) -> Badge:
        """What a board says of the row."""
        return "reproduced" if self.reproduced else "not reproduced"
