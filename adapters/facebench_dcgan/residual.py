"""R3GAN's residual networks (Huang et al. 2024, arXiv:2501.05441), small enough for a CPU.

Nothing is normalised: kernels begin as large as the number of their inputs asks for (He et al.
2015), and each block as the identity, for its last convolution begins at 0 (Fixup: Zhang et al.
2019, arXiv:1901.09321). Both networks are of Keras' layers alone.

Other than in the paper, blocks begin at a quarter of the size, for those above would take most of
the time: images are taken apart by a convolution of stride 2, and put together by two at their
whole size (a single transposed one in their place drew dots along edges, by which the
discriminator knew them); and the groups of a block's middle convolution are of one channel, for
TensorFlow trains larger ones tens of times slower on a CPU.
"""

import math
from typing import TYPE_CHECKING, Any

from facebench_dcgan.model import channels

if TYPE_CHECKING:
    import keras

EXPANSION = 2
"""How many times wider a block is inside."""
WIDEST = 512
SLOPE = 0.2
GAIN = math.sqrt(2 / (1 + SLOPE**2))
"""What keeps the variance over a leaky ReLU."""


def build_generator(size: int, latent_dim: int, width: int) -> "keras.Model":
    """Return the network from latents (n, latent_dim) to images (n, size, size, 3) about [-1, 1].

    `width` is the number of channels at half of `size`; it doubles with each halving, down to 4x4,
    and there are half as many at `size`.
    """
    from keras import Input, Model, layers

    first, *others = _channels(size, width)[::-1]
    z = Input((latent_dim,))
    x = layers.Dense(first, use_bias=False, kernel_initializer=_normal(latent_dim))(z)
    basis = layers.EinsumDense("nc,chw->nhwc", (4, 4, first), kernel_initializer=_normal(1))
    x = basis(x)
    for wanted in others:
        x = _pointwise(_block(x, len(others)), wanted)
        x = layers.UpSampling2D(interpolation="bilinear")(x)
    narrow = (width + 1) // 2
    x = _pointwise(layers.LeakyReLU(SLOPE)(x), narrow)
    x = layers.LeakyReLU(SLOPE)(layers.UpSampling2D(interpolation="bilinear")(x))
    x = layers.LeakyReLU(SLOPE)(_convolution(x, narrow))
    image = _convolution(x, 3, dtype="float32")
    return Model(z, image, name="generator")


def build_discriminator(size: int, width: int) -> "keras.Model":
    """Return the network from images (n, size, size, 3) to logits (n, 1): more real if larger."""
    from keras import Input, Model, layers

    first, *others = _channels(size, width)
    image = Input((size, size, 3))
    x = layers.Conv2D(first, 4, 2, padding="same", kernel_initializer=_normal(48))(image)
    x = layers.LeakyReLU(SLOPE)(x)
    for wanted in others:
        x = layers.AveragePooling2D(2)(x)
        x = _block(_pointwise(x, wanted), len(others))
    last = x.shape[-1]
    x = layers.EinsumDense("nhwc,hwc->nc", (last,), kernel_initializer=_normal(16))(x)
    head = layers.Dense(1, use_bias=False, kernel_initializer=_normal(last), dtype="float32")
    return Model(image, head(x), name="discriminator")


def _channels(size: int, width: int) -> list[int]:
    """Return the channels from ``size / 2`` down to 4x4."""
    return [min(each, max(width, WIDEST)) for each in channels(size, width)]


def _block(x: Any, blocks: int) -> Any:
    """Return `x` and what an inverted bottleneck adds, one of so many `blocks` in the network."""
    from keras import layers

    channels = x.shape[-1]
    gain = GAIN * blocks**-0.25  # what all blocks add together stays as large as the input
    y = layers.Conv2D(EXPANSION * channels, 1, kernel_initializer=_normal(channels, gain))(x)
    y = layers.LeakyReLU(SLOPE)(y)
    y = layers.DepthwiseConv2D(3, padding="same", depthwise_initializer=_normal(9, gain))(y)
    y = layers.LeakyReLU(SLOPE)(y)
    y = layers.Conv2D(channels, 1, use_bias=False, kernel_initializer="zeros")(y)
    return layers.Add()([x, y])


def _pointwise(x: Any, wanted: int) -> Any:
    """Return `x` with as many channels as `wanted`."""
    from keras import layers

    channels = x.shape[-1]
    if channels == wanted:
        return x
    return layers.Conv2D(wanted, 1, use_bias=False, kernel_initializer=_normal(channels))(x)


def _convolution(x: Any, channels: int, **options: Any) -> Any:
    from keras import layers

    kernel = _normal(9 * x.shape[-1], GAIN)
    return layers.Conv2D(channels, 3, padding="same", kernel_initializer=kernel, **options)(x)


def _normal(inputs: int, gain: float = 1.0) -> Any:
    from keras import initializers

    return initializers.RandomNormal(stddev=gain / math.sqrt(inputs))
