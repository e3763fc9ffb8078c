"""What training needs of its data, and a sampler of a finished run."""

from pathlib import Path

from facebench.data.dataset import Dataset, open_dataset
from facebench.errors import BadInput


def train_images(data: Path) -> Dataset:
    """Return the training split of the prepared data set at `data`."""
    dataset = open_dataset(data).by_content().split("train")
    if len(dataset) < 2:
        raise BadInput(f"{data} has {len(dataset)} training images; at least 2 are needed.")
    return dataset


def require_power_of_two(dataset: Dataset, network: str) -> None:
    """Refuse images whose size is no power of two from 16, which strided networks need."""
    size = dataset.size
    if size < 16 or size & (size - 1):
        raise BadInput(
            f"{dataset.name} has images of {size}×{size} pixels, where the {network} needs a power "
            "of two from 16: prepare the data set at another --size."
        )


def trained_model(folder: Path, model_file: str, adapter: str) -> Path:
    """Return the model file of a finished run, or raise BadInput saying how to get one."""
    if not folder.is_dir():
        raise BadInput(f"There is no run folder {folder}: make one with facebench train {adapter}.")
    if not (folder / model_file).is_file():
        raise BadInput(
            f"{folder} holds no {model_file}: its training has not finished; "
            f"run facebench train {adapter} again."
        )
    return folder / model_file
