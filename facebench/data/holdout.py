"""Which images are held out: so many pictures, or so many pictures of people of their own."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int64

from facebench.data.pictures import random_order
from facebench.errors import BadInput


def held_out(holdout: int | None, count: int) -> int:
    """Return how many of `count` images are held out, or refuse to hold out so many."""
    if count < 1:
        raise BadInput("There are 0 images: give at least one that can be read.")
    holdout = count // 10 if holdout is None else holdout
    if not 0 <= holdout <= count:
        raise BadInput(
            f"--holdout {holdout} is not possible, as there are {count} images: give --holdout "
            f"from 0 to {count}."
        )
    return holdout


def people_held_out(
    people: Int64[np.ndarray, " n"], holdout: int, seed: int
) -> Bool[np.ndarray, " n"]:
    """Say of which pictures nobody may be trained on: `holdout` at most, of people drawn by `seed`.

    Whole people are taken in random order as long as they fit, so only a few pictures are missing
    in the end, if any. Where everybody has one picture, this is the hold-out by image.
    """
    _, first, inverse, sizes = np.unique(
        people, return_index=True, return_inverse=True, return_counts=True
    )
    by_appearance = np.argsort(first)
    drawn, room = [], holdout
    for person in by_appearance[random_order(len(first), seed)[::-1]].tolist():
        if sizes[person] <= room:
            drawn.append(person)
            room -= sizes[person]
    if holdout and not drawn:
        raise BadInput(
            f"--holdout {holdout} is not possible by person, as everybody has more pictures: give "
            f"--holdout {sizes.min()} or more."
        )
    return np.isin(inverse, drawn)


def last_in_order(order: Sequence[int], is_held: Bool[np.ndarray, " n"]) -> list[int]:
    """Return `order` with the pictures held out behind all others."""
    return sorted(order, key=is_held.__getitem__)  # stable
