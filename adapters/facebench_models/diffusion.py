"""``diffusers:``: unconditional pipelines of the diffusers library, in a local folder.

Only the parts that are needed are loaded, by name: a U-Net from safetensors and a scheduler. No
code of the folder is run, and nothing is downloaded.
"""

from collections.abc import Sequence
from pathlib import Path

import diffusers
import torch

from facebench.errors import BadInput
from facebench.files import read_json
from facebench.sampler import Images
from facebench.samplers.pixels import Pixels
from facebench_models.kinds import reading

_PIPELINES = {"DDPMPipeline": "DDPMScheduler", "DDIMPipeline": "DDIMScheduler"}


class DiffusersSampler:
    """DDPM or DDIM sampling; every image has a random generator of its own."""

    files: tuple[Path, ...] = ()
    """What its images depend on besides the folder."""

    def __init__(self, path: Path, *, steps: str = "", scheduler: str = "", device: str = "cpu"):
        """Load a pipeline: a folder with ``model_index.json``, ``unet/`` and ``scheduler/``.

        `steps` of denoising are as many as the scheduler was trained with by default for DDPM, 50
        for DDIM; `scheduler` is "ddim" or "ddpm", where another than the folder's is wanted.
        """
        kind = _scheduler(path, scheduler)
        if not list((path / "unet").glob("*.safetensors")):
            raise BadInput(
                f"{path} has no unet/*.safetensors: where you trust it, open it with diffusers and "
                "save it by save_pretrained(FOLDER, safe_serialization=True)."
            )
        with reading(path, what="an unconditional pipeline"):
            self._unet = diffusers.UNet2DModel.from_pretrained(  # type: ignore[no-untyped-call]
                path / "unet", use_safetensors=True, local_files_only=True
            )
            self._scheduler = getattr(diffusers, kind).from_pretrained(
                path / "scheduler", local_files_only=True
            )
        self._unet.to(device).eval()
        self._device = device
        config = self._unet.config
        if config.in_channels not in (1, 3):
            raise BadInput(f"{path} has {config.in_channels} channels, not RGB or grey.")
        if config.class_embed_type or config.num_class_embeds:
            raise BadInput(f"{path} wants a class for every image: it is not unconditional.")
        default = 50 if kind == "DDIMScheduler" else self._scheduler.config.num_train_timesteps
        self._steps = _steps(steps, default)
        sides = config.sample_size
        sides = (sides, sides) if isinstance(sides, int) else sides
        self._shape = (config.in_channels, *sides)

    @torch.inference_mode()
    def sample(self, seeds: Sequence[int]) -> Images:
        """Return one image per seed; noise is drawn on the CPU, so it is the same on any device."""
        generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
        images = torch.stack([torch.randn(self._shape, generator=each) for each in generators])
        self._scheduler.set_timesteps(self._steps)
        images = images.to(self._device) * self._scheduler.init_noise_sigma
        for step in self._scheduler.timesteps:
            noise = self._unet(images, step).sample
            images = self._scheduler.step(noise, step, images, generator=generators).prev_sample
        return Pixels("tanh", "NCHW").images(images.clamp(-1, 1))


def _scheduler(path: Path, asked: str) -> str:
    if asked and asked not in ("ddpm", "ddim"):
        raise BadInput(f"There is no scheduler={asked!r}; there are: ddpm, ddim.")
    if not (path / "model_index.json").is_file():
        raise BadInput(
            f"{path} is not an unconditional pipeline: name the folder with model_index.json, "
            "unet/ and scheduler/ that save_pretrained makes."
        )
    index = read_json(path / "model_index.json")
    kind = index.get("_class_name") if isinstance(index, dict) else None
    if not isinstance(kind, str) or kind not in _PIPELINES:
        raise BadInput(
            f"{path} is a {str(kind)[:50]}, not an unconditional pipeline "
            f"({', '.join(_PIPELINES)}): sample images with it, and open their folder with images:."
        )
    return f"{asked.upper()}Scheduler" if asked else _PIPELINES[kind]


def _steps(text: str, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= 10_000):
        raise BadInput(f"steps={text!r} is not a number of steps: give steps=50.")
    return int(text)
