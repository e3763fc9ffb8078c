"""From models and a reference to Results: what ``facebench eval`` does, as a function."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from facebench.data.dataset import Split, open_dataset
from facebench.engine.environment import describe_environment
from facebench.engine.setting import Seen, Setting, make_setting
from facebench.engine.sources import ModelSource
from facebench.errors import BadInput, RowFailed
from facebench.files import atomic_path
from facebench.grid import grid
from facebench.metrics.comparison import Comparison
from facebench.progress import Track, silent
from facebench.result import Result, read_result, write_result
from facebench.sampler import Images
from facebench.spec import Model, parse_models
from facebench.weights import WeightSource


@dataclass(frozen=True)
class Evaluation:
    """A Result per model that went well, and by name why the others did not."""

    results: Sequence[Result]
    failures: Mapping[str, Exception]


def evaluate(
    models: str | Sequence[Model],
    reference: Path | str,
    *,
    num: int | None = None,
    out: Path | str | None = None,
    extractor: str = "inception",
    metrics: Sequence[str] | None = None,
    split: Split = "holdout",
    seed: int = 0,
    batch_size: int = 64,
    weights: WeightSource | None = None,
    device: str | None = None,
    command: str = "",
    track: Track = silent,
    announce: Callable[[Result], object] = lambda _: None,
) -> Evaluation:
    """Score `models` against a prepared data set. A model that fails does not stop the others.

    Every model runs in a spawned process of its own, so a script that calls this needs the usual
    ``if __name__ == "__main__":`` guard.

    Args:
        models: as on the command line, ``"dcgan,mine=vae:path"``, or parsed.
        reference: folder of the prepared data set.
        num: images drawn from each model; as many as the reference has by default.
        out: results folder, to which each Result is written as soon as it is known, with the
            model's sample grid; nothing is written without it.
        extractor: see :func:`facebench.features.create`.
        metrics: keys of :data:`facebench.metrics.table.METRICS`; all that fit by default.
        split: which images of the reference to compare with.
        seed: the first seed; image *i* is drawn from seed ``seed + i``.
        batch_size: images at a time; no score depends on it.
        weights: where network weights come from.
        device: a torch device; a GPU where there is one by default.
        command: recorded in the Results, to make them again.
        track: progress display.
        announce: called with each Result as soon as it is known.

    Raises:
        BadInput: for what concerns all rows: the models' names and paths, the reference, the
            weights, the options.
    """
    out = Path(out) if out else None
    chosen = parse_models(models) if isinstance(models, str) else list(models)
    setting = make_setting(
        open_dataset(Path(reference)).split(split),
        num=num,
        seed=seed,
        extractor=extractor,
        metrics=metrics,
        batch_size=batch_size,
        weights=weights or WeightSource(track=track),
        device=device,
        track=track,
    )
    if out:
        for model in chosen:
            _earlier(model.name, setting, out)  # refused now rather than after an hour
    real = setting.see_reference()

    results: list[Result] = []
    failures: dict[str, Exception] = {}
    for model in chosen:
        try:
            result, preview = _score(model, setting, real, command)
        except (BadInput, RowFailed) as error:
            failures[model.name] = error.with_traceback(None)  # which holds the images
            continue
        if out:
            result = _keep(result, preview, setting, real, out)
        results.append(result)
        announce(result)
    return Evaluation(results, failures)


def _score(model: Model, setting: Setting, real: Seen, command: str) -> tuple[Result, Images]:
    """Return one model's Result, and its first images."""
    started = time.monotonic()
    digest = model.digest()
    fake = setting.see(ModelSource(model, digest), setting.seeds, model.name)
    seen = time.monotonic()
    comparison = Comparison(real.features, fake.features)
    values = {row.named(setting.network.name): row.compute(comparison) for row in setting.metrics}
    result = Result(
        model=model.name,
        adapter=model.adapter,
        path=str(model.path),
        model_digest=digest,
        first_seed=setting.seeds.start,
        protocol=setting.protocol,
        metrics=values,
        notes=setting.notes,
        seconds={"images and features": seen - started, "metrics": time.monotonic() - seen},
        environment=describe_environment(setting),
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return result, fake.preview


def _keep(result: Result, preview: Images, setting: Setting, real: Seen, out: Path) -> Result:
    """Write a Result and its sample grid beside the reference's; return it as written."""
    result = _with_earlier_metrics(result, _earlier(result.model, setting, out))
    data = setting.dataset
    _save_preview(out, f"reference-{data.digest[:12]}-{data.part}", real.preview)
    _save_preview(out, result.model, preview)
    write_result(result, out)
    return result


def _earlier(name: str, setting: Setting, out: Path) -> Result | None:
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


def _with_earlier_metrics(result: Result, earlier: Result | None) -> Result:
    """Keep the metrics of an earlier evaluation of the same images that this one left out."""
    if earlier is None:
        return result
    then, now = earlier.environment, result.environment
    same_model = earlier.model_digest == result.model_digest
    if not same_model or earlier.first_seed != result.first_seed:
        return result
    if any(then[key] != now[key] for key in then.keys() & now.keys()):
        return result
    return replace(
        result,
        metrics=earlier.metrics | result.metrics,
        environment=then | now,
        notes=tuple(dict.fromkeys((*earlier.notes, *result.notes))),
    )


def _save_preview(out: Path, name: str, images: Images) -> None:
    with atomic_path(out / "samples" / f"{name}.png") as partial:
        grid(images).save(partial)
