"""Which models to evaluate: the text of ``--models``, made precise.

``NAME=ADAPTER+OPTION=VALUE+…:TARGET``, where TARGET is a path, ``MODULE:FUNCTION@PATH`` or
``MODULE:FUNCTION``, and MODULE may be a FILE.py. Options stand before the first colon, where no
path can be mistaken for one, and are marked by ``+`` because shells leave it alone: ``?``, ``&``,
``[`` and ``;`` would need quotes. ``RUN@STEP`` is a checkpoint of a run and ``RUN@*`` all of them,
see :mod:`facebench.plugins.run_checkpoints`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from os.path import exists  # false for what cannot be a path, and never an error
from pathlib import Path

from facebench.errors import BadInput
from facebench.files import read_json, tree_digest
from facebench.plugins import registry
from facebench.plugins.model_hints import ON_WINDOWS, WINDOWS, path_of, way_out
from facebench.plugins.run_checkpoints import FORM as CHECKPOINTS
from facebench.plugins.run_checkpoints import checkpoint_files
from facebench.sampler import Sampler
from facebench.translator import require_sampler

RUNS = Path("runs")
STATISTICS = "statistics"
"""What stands for an adapter before a file of statistics, which is opened by the engine."""
FORM = "NAME=ADAPTER:PATH"
FORM_WITH_OPTIONS = f"{FORM}, with options NAME=ADAPTER+OPTION=VALUE:PATH"
_NAME = re.compile(r"[\w][\w.+-]{0,99}")
_OPTION = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(.*\S)\s*", re.ASCII)
_CODE = re.compile(
    r"(?P<code>(?:.+?\.(?:py|ipynb)|[^\W\d]\w*(?:\.[^\W\d]\w*)*):[^\W\d][\w.]*)(?:@(?P<path>.+))?"
)
_HEAD = re.compile(r"([^+:=]+)(?:\+[^+:=]+=[^+:]+)*:")
_COMMAS = 8  # in one path


@dataclass(frozen=True)
class Model:
    """A row of the board to be: its name, the adapter that opens it, and where it lies."""

    name: str
    adapter: str
    path: Path
    """The model file or folder; where there is nothing but code, the code's name."""
    options: Mapping[str, object] = field(default_factory=dict)
    """What the adapter is told besides the path."""
    code: str = ""
    """``module:function`` or ``path/file.py:function`` of the user's own, for what takes it."""

    def __post_init__(self) -> None:
        """Take a path that is written as text, too."""
        object.__setattr__(self, "path", Path(self.path))

    @property
    def is_code_alone(self) -> bool:
        """Whether there is no file or folder beside the code."""
        return self.code == str(self.path)

    @property
    def target(self) -> str:
        """What the adapter opens and how, as a Result records it.

        >>> Model("a", "torch", Path("w.pt"), {"range": "tanh"}, "nets:dcgan").target
        'nets:dcgan@w.pt (range=tanh)'
        """
        code = f"{self.code}@" if self.code and not self.is_code_alone else ""
        options = ", ".join(f"{key}={value}" for key, value in self.texts.items())
        return f"{code}{self.path}" + (f" ({options})" if options else "")

    @property
    def texts(self) -> dict[str, str]:
        """The options as on the command line."""
        return {name: registry.as_text(value) for name, value in self.options.items()}

    def digest(self) -> str:
        """Return the sha256 of what was named: files, options, and the code's name.

        What the images depend on besides, :mod:`facebench.engine.identity` finds.
        """
        files = "" if self.is_code_alone else tree_digest(self.path)
        if not self.code and not self.options:
            return files
        parts = (files, self.code, *sorted(self.texts.items()))
        return sha256(repr(parts).encode()).hexdigest()

    def open(self, device: str = "cpu") -> Sampler:
        """Return the sampler, opened in this process to compute on `device`."""
        opened = registry.load(self.adapter, self.path, self.options, self.code, device)
        return require_sampler(opened)


def parse_models(text: str) -> list[Model]:
    """Parse ``NAME[=[ADAPTER[+OPTION=VALUE…]:]TARGET],…``; a name alone means ``runs/NAME``.

    ``RUN@STEP`` and ``RUN@*``, of a name or of a path, are checkpoints, each called by its step.
    """
    parts = (part.strip() for part in _parts(text.split(",")))
    models = [model for part in parts if part for model in _rows(part)]
    if not models:
        raise BadInput(f"--models names no model: give NAME, NAME=PATH or {FORM_WITH_OPTIONS}.")
    return models


def parse_model(text: str) -> Model:
    """Parse one model, see :func:`parse_models`."""
    models = parse_models(text)
    if len(models) > 1:
        raise BadInput(f"{text!r} names {len(models)} models, where one is needed.")
    return models[0]


def parse_named(name: str, target: str) -> Model:
    """Parse the TARGET of the model called `name`, which may hold commas."""
    models = _rows(f"{name}={target}")
    if len(models) > 1:
        raise BadInput(f"{target} is {len(models)} models, where {name!r} can be one: name a step.")
    return models[0]


def _rows(text: str) -> list[Model]:
    """Return the models of one part: more than one where all checkpoints of a run are meant."""
    found = CHECKPOINTS.fullmatch(text)
    if not found or _names_a_path(text):
        return [_parse(text)]
    name, equals, _ = found["model"].partition("=")
    is_path = not equals and ("/" in name or exists(path_of(name)))
    run = _parse(f"{Path(name).name}={name}" if is_path else found["model"])
    if run.code:  # whose target is named behind an @, too
        return [_parse(text)]
    files = checkpoint_files(run.path, found["steps"])
    if equals and found["steps"] != "*":
        return [replace(run, path=path) for path in files.values()]
    return [
        replace(run, name=check_name(f"{run.name}-{step:06d}"), path=path)
        for step, path in files.items()
    ]


def _names_a_path(text: str) -> bool:
    """Return whether it ends with a path that is there, or with code that is."""
    starts = [mark.end() for mark in re.finditer("[=:]", text)]
    return any(_is_target(text[start:]) for start in (0, *starts))


def _parts(pieces: list[str]) -> Iterator[str]:
    """Join what was split at the commas of a path that is there."""
    while pieces:
        ends = range(min(len(pieces), _COMMAS + 1), 1, -1)
        end = next((end for end in ends if _is_one(pieces[0], ",".join(pieces[:end]))), 1)
        yield ",".join(pieces[:end])
        pieces = pieces[end:]


def _is_one(first: str, text: str) -> bool:
    starts = [mark.end() for mark in re.finditer("[=:@]", first)]
    run = CHECKPOINTS.fullmatch(text.strip())
    texts = [text, run["model"]] if run else [text]
    return any(_is_target(each[start:].strip()) for each in texts for start in starts)


def _is_target(text: str) -> bool:
    """Return whether `text` is a path that is there, or a function of a file that is."""
    code = _CODE.fullmatch(text)
    paths = [code["code"].rpartition(":")[0], code["path"] or "."] if code else [text]
    return exists(path_of(text)) or all(exists(path_of(path)) for path in paths)


def _parse(text: str) -> Model:
    name, equals, target = text.partition("=")
    is_path = not equals and exists(path_of(name))
    check_name(name, f"NAME={name}" if is_path else FORM)
    if equals and not target.rpartition(":")[2]:
        raise BadInput(f"--models says {text!r} but no path: give NAME=PATH or {FORM}.")
    model = _split(name, target) if equals else Model(name, "", RUNS / name)
    if not _is_here(model):
        raise BadInput(f"There is no model {name!r} at {model.path}: {way_out(name, target)}.")
    if not (model.is_code_alone or model.path.is_file() or model.path.is_dir()):
        raise BadInput(f"{model.path} is a pipe, a socket or a device: save it to a file.")
    return model if model.adapter else replace(model, adapter=_adapter_of_run(name, model.path))


def is_name(text: str) -> bool:
    """Say whether a row can be called so; the board itself is kept as ``leaderboard``."""
    return bool(_NAME.fullmatch(text)) and text != "leaderboard"


def check_name(name: str, form: str = FORM) -> str:
    """Return `name` if a row can have it, else raise BadInput showing a `form` that works."""
    if not is_name(name):
        raise BadInput(
            f"{name!r} cannot name a model: use letters, digits, '.', '_', '+' and '-', "
            f"as in {form}."
        )
    return name


def names_an_adapter(text: str) -> bool:
    """Say whether `text` is ``ADAPTER:…`` or ``ADAPTER+OPTION=VALUE…:…``, and no ``NAME=…``.

    >>> names_an_adapter("images+labels=none:fakes"), names_an_adapter("mine=images:fakes")
    (True, False)
    """
    found = _HEAD.match(text)
    return found is not None and found[1].strip() in _known()


def _known() -> list[str]:
    return [*registry.names("adapters"), STATISTICS]


def _is_here(model: Model) -> bool:
    """Return whether the path is there; code alone is looked for when it is opened."""
    return model.is_code_alone or exists(model.path)


def _split(name: str, target: str) -> Model:
    """Split ``ADAPTER+OPTION=VALUE:TARGET``; a colon after anything else belongs to the path."""
    head, colon, rest = target.partition(":")
    if not colon or exists(path_of(target)):
        return Model(name, "", path_of(target))
    adapter, *options = head.split("+")
    adapter, known = adapter.strip(), _known()
    if adapter not in known:
        hint = f"; {ON_WINDOWS}" if WINDOWS.match(target) else ""
        there = f"there are: {', '.join(known)}{hint}"
        raise BadInput(f"There is no adapter {adapter!r} for {target}; {there}.")
    model = Model(name, adapter, path_of(rest), _options(options))
    named = None if _is_here(model) else _CODE.fullmatch(rest)
    if not named:
        return model
    code = str(path_of(named["code"]))
    return replace(model, code=code, path=path_of(named["path"] or code))


def _options(texts: list[str]) -> Mapping[str, str]:
    options: dict[str, str] = {}
    for text in texts:
        found = _OPTION.fullmatch(text)
        if not found:
            raise BadInput(f"{text!r} is not an option of a model: give {FORM_WITH_OPTIONS}.")
        if found[1] in options:
            raise BadInput(f"An option is given twice in {'+'.join(texts)!r}: leave one.")
        options[found[1]] = found[2]
    return options


def adapter_of_run(path: Path) -> str | None:
    """Return the adapter that made the run in the folder `path`; None where it is no run."""
    config = path / "config.json"
    try:
        match read_json(config) if config.is_file() else None:
            case {"adapter": str(adapter)}:
                return adapter
    except BadInput:  # it is somebody else's
        pass
    return None


def _adapter_of_run(name: str, path: Path) -> str:
    if adapter := adapter_of_run(path):
        return adapter
    config = path / "config.json"
    why = f"{config} does not say which adapter made it" if config.is_file() else "no config.json"
    raise BadInput(
        f"{path} is not a run ({why}): say which adapter opens it, "
        f"{name}=ADAPTER:{path}; there are: {', '.join(_known())}."
    )
