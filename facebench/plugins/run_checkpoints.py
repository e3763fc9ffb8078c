"""A run's checkpoints as models: ``runs/dcgan@500`` is the one of step 500, ``@*`` all of them.

Each is a file that the run's adapter opens, and stays the same while its run goes on.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from facebench.errors import BadInput

FORM = re.compile(r"(?P<model>.+)@(?P<steps>\*|[0-9]{1,12})", re.DOTALL)
"""The text of a run, and which of its checkpoints."""
FOLDER, PATTERN = "checkpoints", "step-*.safetensors"
_FILE = re.compile(r"step-([0-9]{1,12})\.safetensors")
_KEEP = "with --keep-checkpoints all a run keeps every one that it scores"


def is_checkpoint(path: Path) -> bool:
    """Return whether `path` is a file that is called as a run's checkpoints are."""
    return bool(_FILE.fullmatch(path.name)) and path.is_file()


def checkpoint_files(run: Path, steps: str) -> Mapping[int, Path]:
    """Return the files of one step, or of all where `steps` is ``*``, by step and in their order.

    Raises:
        BadInput: there is none, or for ``*`` only one, which is no curve.
    """
    found = ((_FILE.fullmatch(path.name), path) for path in (run / FOLDER).glob(PATTERN))
    kept = dict(sorted((int(match[1]), path) for match, path in found if match))
    if not kept:
        raise BadInput(f"{run} keeps no checkpoints: give the path of a run of facebench train.")
    if steps != "*" and int(steps) not in kept:
        raise BadInput(
            f"{run} has no checkpoint of step {int(steps)}, only of {_listed([*kept])}; {_KEEP}."
        )
    if steps == "*" and len(kept) == 1:
        raise BadInput(
            f"{run} has one checkpoint only, of step {min(kept)}: name it {run}@{min(kept)}; "
            f"{_KEEP}."
        )
    return kept if steps == "*" else {int(steps): kept[int(steps)]}


def _listed(steps: list[int]) -> str:
    shown = [*map(str, steps[:3]), *(["…"] if len(steps) > 6 else []), *map(str, steps[3:][-3:])]
    return f"step{'s' if len(steps) > 1 else ''} {', '.join(shown)}"
