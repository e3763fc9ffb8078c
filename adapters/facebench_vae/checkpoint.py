"""A checkpoint of a VAE's run as the model that the run would export at its step."""

from pathlib import Path

import torch

from facebench.errors import BadInput
from facebench.training.checkpoints import KeptModel, open_checkpoint
from facebench.training.data import hold_back, train_images
from facebench_vae.fit import fit_prior
from facebench_vae.model import VAE


def load_checkpoint(path: Path, data: str, device: str) -> tuple[VAE, tuple[Path, ...]]:
    """Return the averaged network at `path`, and the other files that it depends on.

    `data` is the prepared data set that the run learns, for a prior that is fitted to its images.
    """
    kept = open_checkpoint(path, "vae")
    with kept.fitting():
        model = VAE(*(kept.config[name] for name in ("size", "latent_dim", "width")))
        arrays = kept.arrays("average/")
        model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        is_fitted = kept.config["prior"] == "fitted"
    model.eval().to(device)
    if not is_fitted:
        return model, (kept.config_path,)
    return model, (kept.config_path, *_fit(model, kept, data))


def _fit(model: VAE, kept: KeptModel, data: str) -> tuple[Path, ...]:
    """Fit the prior as the run does in the end; return the files of the data."""
    if not data:
        raise BadInput(
            f"{kept.path} has no prior yet: its run fits one to the training images (--prior "
            "fitted). Name them, as in NAME=vae+data=DIR:RUN@STEP."
        )
    dataset = train_images(Path(data).expanduser())
    if dataset.key != kept.config.get("data"):
        raise BadInput(f"{data} is not the data set that {kept.config_path} is about: name that.")
    learnt, _ = hold_back(dataset.images, kept.config.get("seed", 0))
    fit_prior(model, learnt)
    return dataset.folder / "images.npy", dataset.folder / "dataset.json"
