"""Answers that somebody has as pictures: a folder or an archive, paired with the sources by name.

``DIR/NAME.png`` is the answer to the source ``NAME``. Where there are several to each, they are in
folders by number: ``DIR/0/NAME.png``, ``DIR/1/NAME.png``, and so on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from facebench.engine.pairing import Pairing, TrustedSource
from facebench.errors import BadInput
from facebench.pairs.named_pictures import NamedPictures, named_pictures, said_of, told


def open_answers(path: Path, pairs: Pairing) -> TrustedSource:
    """Open pictures as answers, or raise BadInput where there is not one for each source.

    Of more answers than are asked for the first are taken.
    """
    pictures = named_pictures(path)
    names = _by_number(pictures, pairs)
    looks = pictures.looks([name for each in names for name in each])
    content = sha256(f"{pictures.files.digest()} {sorted(pictures.names)}".encode()).hexdigest()
    digest = f"answers {content} {pairs.asked.digest} {pairs.digest}"
    note = said_of(len(pictures.left_out), looks.converted, "its answers")
    answers = _Answers(pictures, names, pairs).images
    return TrustedSource(answers, digest, note, looks, pictures.files.digest())


@dataclass(frozen=True, eq=False)
class _Answers:
    pictures: NamedPictures
    names: Sequence[Sequence[str]]
    """By number and source."""
    pairs: Pairing

    def images(self, numbers: Sequence[int]) -> np.ndarray:
        """Return the answers that are so numbered, ``uint8`` (n, 3, H, W)."""
        asked = self.pairs.asked
        places = asked.places(numbers)
        draws = [(number - asked.first) % asked.answers for number in numbers]
        chosen = [self.names[draw][place] for draw, place in zip(draws, places, strict=True)]
        return self.pictures.load(chosen, asked.size)


def _by_number(pictures: NamedPictures, pairs: Pairing) -> list[list[str]]:
    """Return the names of the answers, the first ones to all sources first."""
    sources, count = pairs.names, pairs.asked.answers
    numbered = [[f"{number}/{name}" for name in sources] for number in range(count)]
    if not pictures.names & {*numbered[0]} and count == 1:
        numbered = [[*sources]]
    missing = [name for each in numbered for name in each if name not in pictures.names]
    if missing:
        form = "NAME.png" if count == 1 else f"0/NAME.png to {count - 1}/NAME.png"
        fewer = "" if count == 1 else ", or ask for fewer by --seeds-per-source"
        raise BadInput(
            f"{pictures.path}: {told(missing)} missing, and answers go by the sources' names, as "
            f"{form} ({told(sorted(pictures.names))} there): add them{fewer}."
        )
    _refuse_strangers(pictures, {name for each in numbered for name in each}, {*sources})
    return numbered


def _refuse_strangers(pictures: NamedPictures, taken: set[str], sources: set[str]) -> None:
    """Refuse pictures that answer no source; more answers to a source than are asked for may be."""
    strangers = sorted(name for name in pictures.names - taken if not _is_more(name, sources))
    if strangers:
        raise BadInput(
            f"{pictures.path}: {told(strangers)} no answer to a source, for none has that name: "
            "take out what does not belong, or give the pairs that it belongs to."
        )


def _is_more(name: str, sources: set[str]) -> bool:
    number, _, rest = name.partition("/")
    return number.isdecimal() and rest in sources
