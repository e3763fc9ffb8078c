"""Which models to evaluate: the text of ``--models``, made precise.

``NAME=ADAPTER+OPTION=VALUE+…:TARGET``, where TARGET is a path, ``MODULE:FUNCTION@PATH`` or
``MODULE:FUNCTION``. Options stand before the first colon, where no path can be mistaken for one,
and are marked by ``+`` because shells leave it alone: ``?``, ``&``, ``[`` and ``;`` would need
quotes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from facebench import registry
from facebench.errors import BadInput
from facebench.files import read_json, tree_digest

if TYPE_CHECKING:
    from facebench.sampler import Sampler

RUNS = Path("runs")
FORM = "NAME=ADAPTER:PATH, with options NAME=ADAPTER+OPTION=VALUE:PATH"
_NAME = re.compile(r"[\w][\w.+-]{0,99}")
_OPTION = re.compile(r"[a-z_]+=[^=]+", re.ASCII)
_CODE = re.compile(r"(?P<code>[A-Za-z_][\w.]*:[A-Za-z_]\w*)(?:@(?P<path>.+))?", re.ASCII)


@dataclass(frozen=True)
class Model:
    """A row of the board to be: its name, the adapter that opens it, and where it lies."""

    name: str
    adapter: str
    path: Path
    """The model file or folder; where there is nothing but code, the code's name."""
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What the adapter is told besides the path."""
    code: str = ""
    """``module:function`` of the user's own, where the adapter takes it."""

    @property
    def target(self) -> str:
        """What the adapter opens and how, as a Result records it.

        >>> Model("a", "torch", Path("w.pt"), {"range": "tanh"}, "nets:dcgan").target
        'nets:dcgan@w.pt (range=tanh)'
        """
        is_code_alone = self.code == str(self.path)
        target = f"{self.code}@{self.path}" if self.code and not is_code_alone else str(self.path)
        options = ", ".join(f"{key}={value}" for key, value in self.options.items())
        return f"{target} ({options})" if options else target

    def digest(self) -> str:
        """Return the sha256 of what was named: files, options, and the code's name.

        What the images depend on besides, :mod:`facebench.engine.identity` finds.
        """
        files = "" if self.code == str(self.path) else tree_digest(self.path)
        if not self.code and not self.options:
            return files
        parts = (files, self.code, *sorted(self.options.items()))
        return sha256(repr(parts).encode()).hexdigest()

    def open(self) -> "Sampler":
        """Return the sampler, opened in this process."""
        return registry.load(self.adapter, self.path, self.options, self.code)


def parse_models(text: str) -> list[Model]:
    """Parse ``NAME[=[ADAPTER[+OPTION=VALUE…]:]TARGET],…``; a name alone means ``runs/NAME``."""
    models = [_parse(part.strip()) for part in text.split(",") if part.strip()]
    if not models:
        raise BadInput(f"--models names no model: give NAME, NAME=PATH or {FORM}.")
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"--models names {name!r} twice: every row needs a name of its own.")
    return models


def parse_model(text: str) -> Model:
    """Parse one model, see :func:`parse_models`."""
    models = parse_models(text)
    if len(models) > 1:
        raise BadInput(f"{text!r} names {len(models)} models, where one is needed.")
    return models[0]


def parse_named(name: str, target: str) -> Model:
    """Parse the TARGET of the model called `name`, which may hold commas."""
    return _parse(f"{name}={target}")


def _parse(text: str) -> Model:
    name, equals, target = text.partition("=")
    check_name(name)
    if equals and not target.rpartition(":")[2]:
        raise BadInput(f"--models says {text!r} but no path: give NAME=PATH or NAME=ADAPTER:PATH.")
    model = _split(name, target) if equals else Model(name, "", RUNS / name)
    if not _is_here(model):
        raise BadInput(
            f"There is no model {name!r} at {model.path}: {_way_out(name, bool(equals))}."
        )
    return model if model.adapter else replace(model, adapter=_adapter_of_run(name, model.path))


def check_name(name: str) -> str:
    """Return `name` if a row can have it, else raise BadInput."""
    if not _NAME.fullmatch(name) or name in ("leaderboard", "samples"):
        raise BadInput(
            f"{name!r} cannot name a model: use letters, digits, '.', '_', '+' and '-', "
            "as in NAME=ADAPTER:PATH."
        )
    return name


def _is_here(model: Model) -> bool:
    """Return whether the path is there; code alone is looked for when it is opened."""
    try:
        return model.code == str(model.path) or model.path.exists()
    except (OSError, ValueError):  # a name too long for a path, or with a null in it
        return False


def _split(name: str, target: str) -> Model:
    """Split ``ADAPTER+OPTION=VALUE:TARGET``; a colon after anything else belongs to the path."""
    head, colon, rest = target.partition(":")
    if not colon or _is_here(Model(name, "", Path(target))):
        return Model(name, "", Path(target))
    adapter, *options = head.split("+")
    if adapter not in registry.names("adapters"):
        known = ", ".join(registry.names("adapters"))
        raise BadInput(f"There is no adapter {adapter!r} for {target}; there are: {known}.")
    model = Model(name, adapter, Path(rest), _options(options))
    named = None if _is_here(model) else _CODE.fullmatch(rest)
    if not named:
        return model
    return replace(model, code=named["code"], path=Path(named["path"] or named["code"]))


def _options(texts: list[str]) -> Mapping[str, str]:
    for text in texts:
        if not _OPTION.fullmatch(text):
            raise BadInput(f"{text!r} is no option of a model: give {FORM}.")
    options = dict(text.split("=") for text in texts)
    if len(options) < len(texts):
        raise BadInput(f"An option is given twice in {'+'.join(texts)!r}: leave one.")
    return MappingProxyType(options)


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
