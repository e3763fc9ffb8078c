"""Writes what Keras 2 saved, and what its models answer to fixed latents, into a folder.

A program: run in a process of its own. ``NAME.h5`` and ``NAME.keras`` are of every model in
`MODELS`, and ``NAME.npy`` is its answer to ``latents.npy``; the rest has other forms.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # some of Keras 2 looks for itself in TensorFlow

import numpy as np
import tensorflow as tf
import tf_keras as keras
from keras2_models import LATENT, MODELS, Model, sequential, start, tail
from tf_keras import layers


def varied(network: Model) -> Model:
    """Give each weight random values: variances are positive, and signals keep their size."""
    network.set_weights(list(_weights(network)))
    return network


def _weights(network: Model) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for weight in network.weights:
        if len(weight.shape) == 1:
            yield np.abs(rng.normal(1, 0.2, weight.shape))
        else:
            yield rng.normal(0, 1 / np.sqrt(np.prod(weight.shape[:-1])), weight.shape)


def answer(folder: Path, name: str, network: Model) -> None:
    z = np.load(folder / "latents.npy")
    np.save(folder / f"{name}.npy", tf.cast(network(z, training=False), tf.float32).numpy())


def parts(folder: Path) -> None:
    """Write weights by themselves, in both of their layouts, beside an architecture."""
    for name in ("w.h5", "new.weights.h5"):
        place = folder / name.partition(".")[0]
        place.mkdir()
        network = varied(MODELS["dcgan"]())
        network.save_weights(place / name)
        (place / "model.json").write_text(network.to_json())


def graphs(folder: Path) -> None:
    for name in ("dcgan", "fixed_batch"):
        varied(MODELS[name]()).save(folder / f"{name}_graph", save_format="tf")


def twice(x: Any) -> Any:
    return 2 * x


def refused(folder: Path) -> None:
    """Write what is not opened, and the SavedModels that are the way out."""
    z, x = start()
    network = keras.Model(z, tail()(tf.nn.relu(x) * 2.0))
    everything = {"operators": network, "code": sequential(layers.Lambda(lambda x: x * 2))}
    for name, each in everything.items():
        varied(each).save(folder / f"{name}.h5")
        each.save(folder / f"{name}_graph", save_format="tf")
        answer(folder, name, each)
    keras.utils.get_custom_objects()["twice"] = twice
    sequential(layers.Activation("twice")).save(folder / "own_activation.h5")
    sequential(layers.Dense(8, activation=lambda x: 2 * x)).save(folder / "own_code.h5")
    sequential(layers.LocallyConnected2D(8, 1)).save(folder / "gone.h5")
    sequential().save_weights(folder / "checkpoint" / "ckpt")


def shared(folder: Path) -> None:
    """Write a layer that the model and a model within it share, which ``.keras`` stores once."""
    y, shared = keras.Input((4, 4, 8)), layers.Conv2D(8, 1)
    z, x = start()
    network = keras.Model(z, tail()(shared(keras.Model(y, layers.ReLU()(shared(y)))(x))))
    varied(network).save(folder / "shared.keras")
    network.save(folder / "shared.h5")
    answer(folder, "shared", network)


def gan(folder: Path) -> None:
    generator = varied(MODELS["dcgan"]())
    judge = [layers.Flatten(input_shape=(8, 8, 3)), layers.Dense(1)]
    whole = keras.Sequential([generator, keras.Sequential(judge, name="discriminator")])
    whole.compile("adam", "mse")
    whole.save(folder / "gan.h5")
    label = keras.Input((1,), name="label", dtype="int32")
    z, x = start()
    named = layers.Reshape((4, 4, 8))(layers.Embedding(10, 128, input_length=1)(label))
    image = tail()(layers.Multiply()([x, named]))
    keras.Model([z, label], image).save(folder / "labelled.h5")
    keras.Model(z, [tail()(x), layers.Conv2D(3, 1)(x)]).save(folder / "two.h5")


def main(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    z = np.random.default_rng(1).normal(size=(4, LATENT)).astype(np.float32)
    np.save(folder / "latents.npy", z)
    for name, build in MODELS.items():
        network: Any = varied(build())
        answer(folder, name, network)
        network.save(folder / f"{name}.h5")
        network.save(folder / f"{name}.keras")
    for write in (parts, graphs, refused, shared, gan):
        write(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
