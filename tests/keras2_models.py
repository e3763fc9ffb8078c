"""Generators of Keras 2, with latents of 6 numbers: every layer that one is made of, and then some.

Imported by ``keras2_files.py`` alone, for Keras 2 and 3 do not live in one process.
"""

from collections.abc import Callable
from typing import Any

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


def sequential(*middle: Any, end: Any = None, **options: Any) -> Model:
    return keras.Sequential([*head(), *middle, end or tail()], **options)


def start() -> tuple[Any, Any]:
    """Give an input and maps (4, 4, 8) of it."""
    z = keras.Input((LATENT,))
    return z, layers.Reshape((4, 4, 8))(layers.Dense(128)(z))


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
    z, x = start()
    shared, skip = layers.Conv2D(8, 3, padding="same", name="shared"), x
    x = layers.LeakyReLU(0.2)(shared(x))
    x = layers.BatchNormalization()(shared(x), training=False)
    x = layers.Concatenate()([layers.Add()([x, skip]), skip])
    x = layers.Multiply()([x, layers.Activation("tanh")(x)])
    x = layers.Average()([x, layers.Maximum()([x, layers.Minimum()([x, x])])])
    x = layers.Subtract()([x, layers.Conv2D(16, 1)(skip)])
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return keras.Model(inputs=[z], outputs=[tail()(layers.Add()([x, pooled]))], name="styled")


@model
def nested() -> Model:
    block = keras.Sequential(
        [layers.Conv2D(8, 3, padding="same", input_shape=(4, 4, 8)), layers.BatchNormalization()],
        name="block",
    )
    y = keras.Input((4, 4, 8))
    inner = keras.Model(y, layers.ReLU()(block(layers.Conv2D(8, 1)(y))), name="inner")
    z, x = start()
    return keras.Model(z, tail()(inner(inner(x))))


@model
def ending_in_models() -> Model:
    z, x = start()
    y = keras.Input((4, 4, 8))
    inner = keras.Model(y, layers.Conv2D(8, 1)(y))
    return keras.Model(z, keras.Sequential([layers.BatchNormalization(), tail()])(inner(x)))


@model
def nested_sequential() -> Model:
    middle = keras.Sequential([layers.BatchNormalization(), layers.Conv2D(8, 1)], name="middle")
    return keras.Sequential([keras.Sequential(head(), name="start"), middle, tail()])


@model
def wrapped() -> Model:
    return sequential(
        layers.TimeDistributed(layers.Dense(8)),
        layers.TimeDistributed(layers.Bidirectional(layers.LSTM(4, return_sequences=True))),
        layers.TimeDistributed(layers.GRU(8, return_sequences=True)),
        layers.ConvLSTM1D(8, 3, padding="same", return_sequences=True),
        layers.Reshape((16, 8)),
        layers.Bidirectional(layers.GRU(4, return_sequences=True, reset_after=False)),
        layers.LSTM(8, return_sequences=True, recurrent_activation="hard_sigmoid"),
        layers.SimpleRNN(8, return_sequences=True),
        layers.RNN([layers.LSTMCell(8), layers.GRUCell(8)], return_sequences=True),
        layers.Conv1D(8, 3, padding="causal"),
        layers.Conv1DTranspose(8, 3, padding="same"),
        layers.Reshape((4, 4, 8)),
    )


@model
def attentive() -> Model:
    z, x = start()
    x = layers.Reshape((16, 8))(x)
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
    return keras.Model(z, tail()(layers.Reshape((4, 4, 8))(layers.Dense(128)(z))))


@model
def fixed_batch_sequential() -> Model:
    dense = layers.Dense(128, batch_input_shape=(4, LATENT))
    return keras.Sequential([dense, layers.Reshape((4, 4, 8)), tail()])


@model
def half() -> Model:
    policy = keras.mixed_precision.Policy("mixed_float16")
    return sequential(
        layers.BatchNormalization(dtype=policy),
        layers.Conv2D(8, 3, padding="same", dtype=policy),
        layers.LeakyReLU(dtype="mixed_float16"),
        end=tail(dtype="float32"),
    )


@model
def brain() -> Model:
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        return sequential(layers.BatchNormalization())
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
    long = 60 * "long_names_"  # so that the list of them is cut in pieces
    return sequential(*[layers.Dense(8, name=f"{long}{i}") for i in range(110)])


@model
def odd_names() -> Model:
    return sequential(
        layers.Dense(8, name="up/conv"), layers.Dense(8, name="up"), layers.Dense(8, name="a.0.1")
    )


@model
def frozen() -> Model:
    shape = {"input_shape": (4, 4, 8)}
    frozen = keras.Sequential(
        [layers.BatchNormalization(**shape), layers.Conv2D(8, 1)], name="frozen"
    )
    frozen.trainable = False
    batch = layers.BatchNormalization(trainable=False)
    part = keras.Sequential(
        [layers.Conv2D(8, 1, **shape), layers.Conv2D(8, 1), layers.BatchNormalization()],
        name="part",
    )
    part.layers[0].trainable = False
    return sequential(frozen, batch, part)
