"""A checkpoint of a DCGAN's run as the generator that the run would export at its step."""

from pathlib import Path
from typing import Any

from facebench.training.checkpoints import KeptModel, open_checkpoint
from facebench_dcgan.generator import GeneratorSampler, backend_of
from facebench_dcgan.growth import growth_of
from facebench_keras.runtime import start_keras


def load_checkpoint(path: Path) -> tuple[GeneratorSampler, tuple[Path, ...]]:
    """Return the sampler of the averaged generator at `path`, and the other files it depends on."""
    kept = open_checkpoint(path, "dcgan")
    start_keras(backend_of(kept.config_path.parent))
    is_notebook = kept.config.get("preset") == "notebook"
    network, alpha = _notebook(kept) if is_notebook else _averaged(kept)
    return GeneratorSampler(network, kept.config, alpha), (kept.config_path,)


def _averaged(kept: KeptModel) -> tuple[Any, float]:
    """Return the generator of the stage that was trained, and how far it was faded in."""
    from facebench_dcgan.backend import running_backend
    from facebench_dcgan.gan import settle, unique_variables
    from facebench_dcgan.networks import generators, normalises

    config = kept.config
    with kept.fitting():
        averages = generators(config)
        _assign(unique_variables(averages), kept.arrays("average/"))
        stage, alpha = growth_of(config, kept.step)
        is_last = kept.step == config["steps"]
    if normalises(config) and not is_last:  # which is exported as it was scored
        settle(averages[stage], running_backend(), config["latent_dim"], stage, alpha)
    return averages[stage], alpha


def _notebook(kept: KeptModel) -> tuple[Any, float]:
    from facebench_dcgan.notebook_preset import NotebookGAN

    with kept.fitting():
        gan = NotebookGAN(kept.config)
        _assign(gan.generator.variables, kept.arrays("generator/"))
    return gan.average, 1.0


def _assign(variables: list[Any], arrays: dict[str, Any]) -> None:
    if len(arrays) != len(variables):
        raise ValueError(f"it has {len(arrays)} arrays where the network has {len(variables)}")
    for index, variable in enumerate(variables):
        variable.assign(arrays[str(index)])
