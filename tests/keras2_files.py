"""Writes generators with Keras 2, as people saved them, and what they answer to fixed latents.

A program: run in a process of its own, for Keras 2 and 3 do not live in one. It takes a folder and
writes ``NAME.h5`` and ``NAME.keras`` of every model in `MODELS`, and the answers to ``latents.npy``
into ``NAME.npy``.
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tf_keras import layers

LATENT = 6
Model = Any
MODELS: dict[str, Callable[[], Model]] = {}


def model(build: Callable[[], Model]) -> Callable[[], Model]:
    MODELS[build.__name__] = build
    return build


def head() -> list[Any]:
    """Give what makes maps (4, 4, 8) of latents."""
    return [layers.Dense(4 * 4 * 8, input_shape=(LATENT,)), layers.Reshape((4, 4, 8))]


def tail(**options: Any) -> Any:
    return layers.Conv2DTranspose(3, 4, strides=2, padding="same", activation="tanh", **options)


def sequential(*middle: Any, end: Any = None) -> Model:
    return keras.Sequential([*head(), *middle, end or tail()])


@model
def dcgan() -> Model:
    return keras.Sequential(
        [
            layers.Dense(4 * 4 * 8, use_bias=False, input_dim=LATENT),
            layers.BatchNormalization(momentum=0.8),
            layers.LeakyReLU(alpha=0.2),
            layers.Reshape((4, 4, 8)),
            layers.Conv2DTranspose(8, 5, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            tail(kernel_initializer=keras.initializers.RandomNormal(0, 0.02)),
        ],
        name="generator",
    )


@model
def transposed() -> Model:
    return sequential(
        layers.Conv2DTranspose(8, 3, strides=2, padding="valid"),
        layers.Conv2DTranspose(4, 3, strides=(2, 1), padding="same", output_padding=(1, 0)),
        layers.Conv2DTranspose(4, 2, strides=1, padding="same", dilation_rate=2),
        layers.Conv2D(8, 3, strides=2, groups=2, padding="same"),
        layers.Conv2D(4, 3, dilation_rate=2, padding="same"),
        layers.Conv2DTranspose(8, 2, 1, "valid"),
        layers.Conv2DTranspose(4, 3, 2, "valid", output_padding=1),
    )


@model
def sized() -> Model:
    return sequential(
        layers.UpSampling2D(),
        layers.UpSampling2D(2, interpolation="bilinear"),
        layers.ZeroPadding2D(((1, 0), (0, 1))),
        layers.Cropping2D(2),
        layers.MaxPooling2D(),
        layers.AveragePooling2D(1),
        layers.SeparableConv2D(8, 3, depth_multiplier=2, padding="same"),
        layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
        layers.Resizing(4, 4),
        layers.Rescaling(1 / 2, offset=0.1),
        layers.Permute((2, 1, 3)),
    )


@model
def activated() -> Model:
    return sequential(
        layers.LeakyReLU(0.3),
        layers.PReLU(shared_axes=[1, 2]),
        layers.PReLU(),
        layers.ELU(0.7),
        layers.ReLU(max_value=6.0, negative_slope=0.1, threshold=0.05),
        layers.Softmax(axis=-1),
        layers.ThresholdedReLU(theta=0.01),
        layers.Activation("selu"),
        layers.Activation(tf.nn.tanh),
        layers.Activation(keras.activations.swish),
        layers.Dense(8, activation="gelu"),
        layers.Dense(8, activation=layers.LeakyReLU(0.1)),
        layers.Dense(8, activation=keras.activations.relu),
        layers.Activation("linear"),
        layers.Dense(8, activation=tf.nn.leaky_relu),
        layers.Dense(8, activation="mish"),
        layers.Dense(8, activation="hard_sigmoid"),
        end=layers.Conv2D(3, 3, activation="sigmoid"),
    )


@model
def normalized() -> Model:
    return sequential(
        layers.BatchNormalization(axis=-1, fused=True),
        layers.BatchNormalization(axis=[3], momentum=0.5, epsilon=0.1, scale=False),
        layers.BatchNormalization(center=False, moving_mean_initializer="ones"),
        layers.LayerNormalization(axis=[1, 2, 3]),
        layers.LayerNormalization(axis=-1, center=False),
        layers.GroupNormalization(groups=4),
        layers.GroupNormalization(groups=-1, scale=False),
        layers.UnitNormalization(),
        layers.Normalization(mean=[0.1] * 8, variance=[0.7] * 8),
    )


@model
def renormalized() -> Model:
    return sequential(
        keras.layers.experimental.SyncBatchNormalization()
        if hasattr(keras.layers.experimental, "SyncBatchNormalization")
        else layers.BatchNormalization(synchronized=True),
        tf.compat.v1.keras.layers.BatchNormalization() if False else layers.BatchNormalization(),
    )


@model
def noised() -> Model:
    return sequential(
        layers.Dropout(0.5),
        layers.SpatialDropout2D(0.2),
        layers.GaussianNoise(0.3),
        layers.GaussianDropout(0.3),
        layers.AlphaDropout(0.3),
        layers.ActivityRegularization(0.1),
        layers.Flatten(),
        layers.Dense(128, kernel_regularizer="l2", kernel_constraint="max_norm"),
        layers.Reshape((4, 4, -1)),
        layers.SpectralNormalization(layers.Conv2D(8, 3, padding="same")),
        layers.SpectralNormalization(layers.Dense(8), power_iterations=2),
    )


@model
def initialized() -> Model:
    kinds = [
        keras.initializers.RandomUniform(-0.1, 0.1, seed=3),
        keras.initializers.VarianceScaling(2.0, "fan_out", "uniform"),
        keras.initializers.Orthogonal(),
        keras.initializers.Constant(0.1),
        keras.initializers.TruncatedNormal(stddev=0.2),
        keras.initializers.Identity(),
        keras.initializers.HeNormal(),
    ]
    return sequential(*[layers.Dense(8, kernel_initializer=kind) for kind in kinds])


@model
def functional() -> Model:
    z = keras.Input((LATENT,))
    x = layers.Reshape((4, 4, 8))(layers.Dense(128)(z))
    shared = layers.Conv2D(8, 3, padding="same", name="shared")
    skip = x
    x = layers.LeakyReLU(0.2)(shared(x))
    x = layers.BatchNormalization()(shared(x))
    x = layers.Add()([x, skip])
    x = layers.Concatenate()([x, skip])
    x = layers.Multiply()([x, x])
    x = layers.Average()([x, layers.Maximum()([x, layers.Minimum()([x, x])])])
    x = layers.Subtract()([x, layers.Conv2D(16, 1)(skip)])
    return keras.Model(z, tail()(x))


@model
def styled() -> Model:
    z = keras.Input(shape=(LATENT,), name="z", dtype="float32")
    w = layers.Dense(8, activation="relu")(z)
    x = layers.Reshape((4, 4, 8))(layers.Dense(128)(w))
    scale = layers.Reshape((1, 1, 8))(layers.Dense(8)(w))
    x = layers.Multiply()([x, scale])
    x = (
        layers.Dot(axes=(3, 3))([layers.Reshape((16, 1, 8))(x), layers.Reshape((16, 1, 8))(x)])
        if False
        else x
    )
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Add()([x, pooled])
    return keras.Model(inputs=[z], outputs=[tail()(x)], name="styled")


@model
def nested() -> Model:
    block = keras.Sequential(
        [layers.Conv2D(8, 3, padding="same", input_shape=(4, 4, 8)), layers.BatchNormalization()],
        name="block",
    )
    y = keras.Input((4, 4, 8))
    inner = keras.Model(y, layers.ReLU()(block(layers.Conv2D(8, 1)(y))), name="inner")
    z = keras.Input((LATENT,))
    x = layers.Reshape((4, 4, 8))(layers.Dense(128)(z))
    x = inner(inner(x))
    return keras.Model(z, tail()(block(x)))


@model
def nested_sequential() -> Model:
    start = keras.Sequential(head(), name="start")
    middle = keras.Sequential([layers.BatchNormalization(), layers.Conv2D(8, 1)], name="middle")
    return keras.Sequential([keras.Input((LATENT,)), start, middle, tail()])


@model
def wrapped() -> Model:
    return sequential(
        layers.TimeDistributed(layers.Dense(8)),
        layers.TimeDistributed(layers.Bidirectional(layers.LSTM(4, return_sequences=True))),
        layers.TimeDistributed(layers.GRU(8, return_sequences=True)),
        layers.ConvLSTM1D(8, 3, padding="same", return_sequences=True),
        layers.Reshape((16, 8)),
        layers.Bidirectional(layers.GRU(4, return_sequences=True, reset_after=False)),
        layers.SimpleRNN(8, return_sequences=True),
        layers.RNN([layers.LSTMCell(8), layers.GRUCell(8)], return_sequences=True),
        layers.Conv1D(8, 3, padding="causal"),
        layers.Conv1DTranspose(8, 3, padding="same"),
        layers.Reshape((4, 4, 8)),
    )


@model
def attentive() -> Model:
    z = keras.Input((LATENT,))
    x = layers.Reshape((16, 8))(layers.Dense(128)(z))
    x = layers.MultiHeadAttention(2, 4)(x, x)
    x = layers.Attention(use_scale=True)([x, x])
    x = layers.AdditiveAttention()([x, x])
    x = layers.LayerNormalization()(layers.Dropout(0.1)(x))
    x = layers.EinsumDense("abc,cd->abd", output_shape=(None, 8), bias_axes="d")(x)
    return keras.Model(z, tail()(layers.Reshape((4, 4, 8))(x)))


@model
def channels_first() -> Model:
    first = {"data_format": "channels_first"}
    return keras.Sequential(
        [
            layers.Dense(128, input_shape=(LATENT,)),
            layers.Reshape((8, 4, 4)),
            layers.BatchNormalization(axis=1),
            layers.UpSampling2D(**first),
            layers.ZeroPadding2D(1, **first),
            layers.Cropping2D(1, **first),
            layers.Permute((2, 3, 1)),
            layers.Conv2D(3, 3, padding="same", activation="tanh"),
        ]
    )


@model
def fixed_batch() -> Model:
    z = keras.Input(batch_shape=(4, LATENT))
    x = layers.Reshape((4, 4, 8))(layers.Dense(128)(z))
    return keras.Model(z, tail()(x))


@model
def fixed_batch_sequential() -> Model:
    start = layers.Dense(128, batch_input_shape=(4, LATENT))
    return keras.Sequential([start, layers.Reshape((4, 4, 8)), tail()])


@model
def half() -> Model:
    half = keras.mixed_precision.Policy("mixed_float16")
    return sequential(
        layers.BatchNormalization(dtype=half),
        layers.Conv2D(8, 3, padding="same", dtype=half),
        layers.LeakyReLU(dtype="mixed_float16"),
        end=tail(dtype="float32"),
    )


@model
def brain() -> Model:
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        return sequential(layers.BatchNormalization(), end=tail(dtype="float32"))
    finally:
        keras.mixed_precision.set_global_policy("float32")


@model
def double() -> Model:
    keras.backend.set_floatx("float64")
    try:
        return sequential(layers.BatchNormalization())
    finally:
        keras.backend.set_floatx("float32")


@model
def compiled() -> Model:
    network = sequential(layers.BatchNormalization())
    network.compile(keras.optimizers.Adam(1e-4, beta_1=0.5), "binary_crossentropy", ["mae"])
    return network


@model
def many() -> Model:
    long = "a_layer_of_a_generator_whose_author_liked_to_say_what_each_of_them_is_good_for"
    return sequential(*[layers.Dense(8, name=f"{long}_{i}") for i in range(900)])


@model
def odd_names() -> Model:
    return sequential(
        layers.Dense(8, name="up/conv"), layers.Dense(8, name="up"), layers.Dense(8, name="a.0.1")
    )


@model
def frozen() -> Model:
    frozen = keras.Sequential(
        [layers.BatchNormalization(input_shape=(4, 4, 8)), layers.Conv2D(8, 1)], name="frozen"
    )
    frozen.trainable = False
    batch = layers.BatchNormalization()
    batch.trainable = False
    part = keras.Sequential(
        [
            layers.Conv2D(8, 1, input_shape=(4, 4, 8)),
            layers.Conv2D(8, 1),
            layers.BatchNormalization(),
        ],
        name="part",
    )
    part.layers[0].trainable = False
    return sequential(frozen, batch, part)


def _weights(network: Model) -> Iterator[np.ndarray]:
    """Give each weight random values, small and, for variances, positive."""
    rng = np.random.default_rng(0)
    for weight in network.weights:
        scale = 1 / np.sqrt(max(1, np.prod(weight.shape[:-1])))
        yield (
            np.abs(rng.normal(1, 0.2, weight.shape))
            if len(weight.shape) == 1
            else (rng.normal(0, scale, weight.shape))
        )


def main(folder: Path) -> None:
    keras.utils.set_random_seed(0)
    z = np.random.default_rng(1).normal(size=(4, LATENT)).astype(np.float32)
    np.save(folder / "latents.npy", z)
    for name, build in MODELS.items():
        network = build()
        network.set_weights(list(_weights(network)))
        np.save(folder / f"{name}.npy", network(z, training=False).numpy())
        network.save(folder / f"{name}.h5")
        network.save(folder / f"{name}.keras")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
