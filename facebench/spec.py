"""Which models to evaluate: the text of ``--models``, made precise."""

import re
from dataclasses import dataclass
from pathlib import Path

from facebench import registry
from facebench.errors import BadInput
from facebench.files import read_json, tree_digest

RUNS = Path("runs")
_NAME = re.compile(r"[\w][\w.+-]{0,99}")


@dataclass(frozen=True)
class Model:
    """A row of the board to be: its name, the adapter that opens it, and where it lies."""

    name: str
    adapter: str
    path: Path

    def digest(self) -> str:
        """Return the sha256 of what will be evaluated, the model file or all of the folder."""
        return tree_digest(self.path)


def parse_models(text: str) -> list[Model]:
    """Parse ``NAME[=[ADAPTER:]PATH],…``; a name alone means the run ``runs/NAME``."""
    models = [_parse(part.strip()) for part in text.split(",") if part.strip()]
    if not models:
        raise BadInput("--models names no model: give NAME, NAME=PATH or NAME=ADAPTER:PATH.")
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"--models names {name!r} twice: every row needs a name of its own.")
    return models


def _parse(text: str) -> Model:
    name, equals, target = text.partition("=")
    if not _NAME.fullmatch(name) or name in ("leaderboard", "samples"):
        raise BadInput(
            f"{name!r} cannot name a model: use letters, digits, '.', '_', '+' and '-', "
            "as in NAME=ADAPTER:PATH."
        )
    if equals and not target.rpartition(":")[2]:
        raise BadInput(f"--models says {text!r} but no path: give NAME=PATH or NAME=ADAPTER:PATH.")
    adapter, path = _split(target) if equals else ("", RUNS / name)
    if not path.exists():
        raise BadInput(f"There is no model {name!r} at {path}: {_way_out(name, bool(equals))}.")
    return Model(name, adapter or _adapter_of_run(name, path), path)


def _split(target: str) -> tuple[str, Path]:
    """Split ``ADAPTER:PATH``; a colon after anything else belongs to the path."""
    adapter, colon, path = target.partition(":")
    if not colon or Path(target).exists():
        return "", Path(target)
    if adapter not in registry.names("adapters"):
        known = ", ".join(registry.names("adapters"))
        raise BadInput(f"There is no adapter {adapter!r} for {target}; there are: {known}.")
    return adapter, Path(path)


def _way_out(name: str, given: bool) -> str:
    if given:
        return "check the path"
    if name in registry.names("trainers"):
        return f"train it with facebench train {name}, or give {name}=PATH"
    return f"give {name}=PATH or {name}=ADAPTER:PATH"


def _adapter_of_run(name: str, path: Path) -> str:
    config = path / "config.json"
    if not config.is_file():
        raise BadInput(
            f"{path} is not a run (it has no config.json): say which adapter opens it, "
            f"{name}=ADAPTER:{path}; there are: {', '.join(registry.names('adapters'))}."
        )
    record = read_json(config)
    if not isinstance(record, dict) or not isinstance(record.get("adapter"), str):
        raise BadInput(f"{config} does not say which adapter made the run.")
    return record["adapter"]
