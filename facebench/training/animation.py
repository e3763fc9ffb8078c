"""The control grids of a run as an animation."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from facebench.files import atomic_path

MOST_FRAMES = 120
FRAME_MS, LAST_FRAME_MS = 100, 2000


def save_animation(grids: Sequence[Path], target: Path) -> list[Path]:
    """Save the pictures `grids` as ``target.gif``, and as ``.mp4`` where imageio-ffmpeg is.

    More than 120 pictures are thinned evenly; the last one always stays, and stays longest.
    """
    chosen = np.linspace(0, len(grids) - 1, min(len(grids), MOST_FRAMES)).round().astype(int)
    frames = [Image.open(grids[index]).convert("RGB") for index in chosen]
    saved = [save_gif(frames, target.with_suffix(".gif"))]
    if find_spec("imageio_ffmpeg"):
        saved.append(_save_mp4(frames, target.with_suffix(".mp4")))
    return saved


def save_gif(
    frames: Sequence[Image.Image],
    target: Path,
    frame_ms: int = FRAME_MS,
    last_ms: int = LAST_FRAME_MS,
) -> Path:
    """Save `frames` as a GIF that runs for ever."""
    durations = [frame_ms] * (len(frames) - 1) + [last_ms]
    with atomic_path(target) as partial:
        frames[0].save(partial, save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return target


def _save_mp4(frames: Sequence[Image.Image], target: Path) -> Path:
    import imageio_ffmpeg

    held = [*frames, *[frames[-1]] * (LAST_FRAME_MS // FRAME_MS - 1)]
    with atomic_path(target) as partial:
        writer = imageio_ffmpeg.write_frames(
            str(partial),
            frames[0].size,
            fps=1000 / FRAME_MS,
            quality=8,
            macro_block_size=2,  # the video's colour format has no odd sizes
        )
        writer.send(None)
        for frame in held:
            writer.send(np.ascontiguousarray(frame))
        writer.close()
    return target
