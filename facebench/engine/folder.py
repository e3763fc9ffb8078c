"""The results folder: what an evaluation adds to it, and what of earlier ones stays."""

from dataclasses import replace
from pathlib import Path

from facebench.engine.exhibits import Drawn, keep_exhibits
from facebench.engine.reference import Reference
from facebench.engine.setting import Setting
from facebench.errors import BadInput
from facebench.files import atomic_path
from facebench.grid import grid
from facebench.result import Result, keep_earlier, read_result, write_result
from facebench.sampler import Images


def keep(result: Result, drawn: Drawn, setting: Setting, real: Reference, out: Path) -> Result:
    """Write a Result, what there is to look at, and its sample grid beside the reference's.

    Return it as written. What another state of the model scored goes into the history.
    """
    before = earlier(result.model, setting, out)
    if before and before.model_digest != result.model_digest:
        keep_earlier(before, out)
    result = with_earlier_metrics(result, before)
    data = setting.dataset
    _save_preview(out, f"reference-{data.digest[:12]}-{data.part}", real.seen.preview)
    _save_preview(out, result.model, drawn.seen.preview)
    keep_exhibits(result, drawn, setting, real, out)
    write_result(result, out)
    return result


def earlier(name: str, setting: Setting, out: Path) -> Result | None:
    """Return what `out` already holds of a model; under another protocol it must not be lost."""
    path = out / f"{name}.json"
    if not path.exists():
        return None
    result = read_result(path)
    if result.protocol != setting.protocol:
        raise BadInput(
            f"{path} was made under another protocol ({_difference(result, setting)}): "
            "give another --out, or another name to the model."
        )
    return result


def _difference(result: Result, setting: Setting) -> str:
    then, now = vars(result.protocol), vars(setting.protocol)
    return ", ".join(f"{key} {then[key]}, not {now[key]}" for key in now if then[key] != now[key])


def with_earlier_metrics(result: Result, before: Result | None) -> Result:
    """Keep the metrics of an earlier evaluation of the same images that this one left out."""
    if before is None:
        return result
    then, now = before.environment, result.environment
    same_model = before.model_digest == result.model_digest
    if not same_model or before.first_seed != result.first_seed:
        return result
    if any(then[key] != now[key] for key in then.keys() & now.keys()):
        return result
    return replace(
        result,
        metrics=before.metrics | result.metrics,
        environment=then | now,
        notes=tuple(dict.fromkeys((*before.notes, *result.notes))),
    )


def _save_preview(out: Path, name: str, images: Images) -> None:
    with atomic_path(out / "samples" / f"{name}.png") as partial:
        grid(images).save(partial)
