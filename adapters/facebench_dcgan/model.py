"""Generator and discriminator of DCGAN (Radford et al. 2016, arXiv:1511.06434), whole or growing.

The paper's own generator is ``width=128`` at 64x64. Generators consist of Keras' layers alone, so
that a saved one loads in safe mode and on every backend.

Growing (Karras et al. 2018, arXiv:1710.10196) shares all layers between its stages: a stage makes
its image from the features of half its size, as the whole network does at the end, so what has
grown up *is* the plain DCGAN. Stages of 8 pixels and more take a second input, `alpha`
(n, 1, 1, 1), which fades their image in over that of the stage before.
"""

from typing import TYPE_CHECKING, Any, Literal

from facebench_dcgan.attention import self_attention

if TYPE_CHECKING:
    import keras

Norm = Literal["batch", "layer", "none"]
MOMENTUM = 0.95
"""Of BatchNorm's statistics; Keras' own, 0.99, would need many more batches to measure them by."""


def build_generators(
    size: int,
    latent_dim: int,
    width: int,
    *,
    norm: Norm = "batch",
    attention: bool = False,
    growing: bool = False,
) -> "list[keras.Model]":
    """Return the plain generator of `size` pixels, after those of all stages where it is `growing`.

    The last maps latents (n, latent_dim) to images (n, size, size, 3) in [-1, 1]. `width` is the
    number of channels at half of `size`; it doubles with each halving, down to 4x4. `attention`
    is at a quarter of `size`.
    """
    from keras import Input, Model, layers

    first, *others = channels(size, width)[::-1]
    z, alpha, bias = Input((latent_dim,)), Input((1, 1, 1)), norm == "none"
    x = layers.Dense(16 * first, use_bias=bias, kernel_initializer=_normal())(z)
    x = layers.Reshape((4, 4, first))(x)
    stages = []
    if growing:
        image = _chain(x, *_normed(norm, layers.ReLU()), _to_rgb(layers.Conv2D, 3, 1))
        stages.append(Model(z, image))
    for wanted in (*others, None):
        x = _chain(x, *_normed(norm, layers.ReLU()))
        if attention and x.shape[1] == size // 4:
            x = self_attention(x)
        if growing:
            before, image = layers.UpSampling2D()(image), _to_rgb(layers.Conv2DTranspose, 4, 2)(x)
            stages.append(Model([z, alpha], alpha * image + (1 - alpha) * before))
        if wanted:
            x = _convolve(layers.Conv2DTranspose, wanted, bias=bias)(x)
    if not growing:
        image = _to_rgb(layers.Conv2DTranspose, 4, 2)(x)
    return [*stages, Model(z, image, name="generator")]


def build_discriminators(
    size: int,
    width: int,
    *,
    norm: Norm = "batch",
    spectral: bool = False,
    attention: bool = False,
    growing: bool = False,
) -> "list[keras.Model]":
    """Return the plain discriminator of `size`, after those of all stages where it is `growing`.

    The last maps images (n, size, size, 3) in [-1, 1] to logits (n, 1): real if > 0. `width` is
    its number of channels at half of `size`, as in the generator; `attention` at a quarter of it.
    """
    from keras import Input, Model, layers

    from facebench_dcgan.spectral import SpectralConv2D, SpectralDense

    convolution, dense = layers.Conv2D, layers.Dense
    if spectral:
        convolution, dense = SpectralConv2D, SpectralDense
    wide = channels(size, width)[::-1]  # of features of 4, 8, ..., size / 2 pixels
    from_rgb = [_chained(_convolve(convolution, wide[0], 3, 1), layers.LeakyReLU(0.2))]
    from_rgb += [_chained(_convolve(convolution, c), layers.LeakyReLU(0.2)) for c in wide]
    # blocks[i] halves features to 4 << i pixels.
    blocks = [
        _chained(
            _convolve(convolution, c, bias=norm == "none"), *_normed(norm, layers.LeakyReLU(0.2))
        )
        for c in wide[:-1]
    ]
    if attention:
        features = Input((size // 4, size // 4, wide[-2]))
        blocks[-1].add(Model(features, self_attention(features)))
    head = _chained(layers.Flatten(), dense(1, kernel_initializer=_normal(), dtype="float32"))

    def logits(x: Any, level: int) -> Any:
        """Return the logits of features of ``4 << level`` pixels."""
        return _chain(x, *blocks[:level][::-1], head)

    whole, small = Input((size, size, 3)), Input((4, 4, 3))
    plain = Model(whole, logits(from_rgb[-1](whole), len(blocks)), name="discriminator")
    if not growing:
        return [plain]
    stages = [Model(small, logits(from_rgb[0](small), 0))]
    for stage in range(1, len(from_rgb)):
        image, alpha = Input((4 << stage, 4 << stage, 3)), Input((1, 1, 1))
        level = max(stage - 2, 0)
        x = _chain(from_rgb[stage](image), *blocks[level : stage - 1])
        before = from_rgb[stage - 1](layers.AveragePooling2D(2)(image))
        stages.append(Model([image, alpha], logits(alpha * x + (1 - alpha) * before, level)))
    return [*stages, plain]


def channels(size: int, width: int) -> list[int]:
    """Return the channels from ``size / 2`` down to 4x4.

    >>> channels(64, 128)
    [128, 256, 512, 1024]
    """
    return [width << level for level in range(size.bit_length() - 3)]


def _chain(x: Any, *layers: Any) -> Any:
    for layer in layers:
        x = layer(x)
    return x


def _chained(*layers: Any) -> Any:
    from keras import Sequential

    return Sequential(layers)


def _convolve(
    kind: Any, channels: int, side: int = 4, stride: int = 2, bias: bool = True, **options: Any
) -> Any:
    """Return a convolution that halves or doubles; a bias before BatchNorm would have no effect."""
    return kind(
        channels,
        kernel_size=side,
        strides=stride,
        padding="same",
        data_format="channels_last",
        use_bias=bias,
        kernel_initializer=_normal(),
        **options,
    )


def _to_rgb(kind: Any, side: int, stride: int) -> Any:
    return _convolve(kind, 3, side, stride, activation="tanh", dtype="float32")


def _normed(norm: Norm, active: Any) -> tuple[Any, ...]:
    from keras import layers

    if norm == "none":
        return (active,)
    # One group is layer normalization, which does not mix the images of a batch.
    return (_batch_norm() if norm == "batch" else layers.GroupNormalization(1)), active


def _batch_norm() -> Any:
    from keras import layers

    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=1e-5)


def _normal() -> Any:
    from keras import initializers

    return initializers.RandomNormal(stddev=0.02)
