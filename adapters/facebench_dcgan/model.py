"""Generator and discriminator of DCGAN (Radford et al. 2016, arXiv:1511.06434).

The paper's own generator is ``width=128`` at 64x64. Both networks are Sequential models of Keras'
layers alone, so that a saved one loads in safe mode and on every backend.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def build_generator(size: int, latent_dim: int, width: int) -> "keras.Sequential":
    """Return the network from latents (n, latent_dim) to images (n, size, size, 3) in [-1, 1].

    `width` is the number of channels at half of `size`; it doubles with each halving, down to 4x4.
    """
    from keras import Input, Sequential, layers

    first, *others = _channels(size, width)[::-1]
    network = Sequential([Input((latent_dim,))], name="generator")
    network.add(layers.Dense(4 * 4 * first, use_bias=False, kernel_initializer=_normal()))
    network.add(layers.Reshape((4, 4, first)))
    for channels in others:
        _add(network, _batch_norm(), layers.ReLU(), _resample(layers.Conv2DTranspose, channels))
    final = _resample(layers.Conv2DTranspose, 3, use_bias=True, activation="tanh")
    _add(network, _batch_norm(), layers.ReLU(), final)
    return network


def build_discriminator(size: int, width: int) -> "keras.Sequential":
    """Return the network from images (n, size, size, 3) in [-1, 1] to logits (n, 1): real if > 0.

    `width` is its number of channels at half of `size`, as in the generator.
    """
    from keras import Input, Sequential, layers

    first, *others = _channels(size, width)
    network = Sequential([Input((size, size, 3))], name="discriminator")
    _add(network, _resample(layers.Conv2D, first, use_bias=True), layers.LeakyReLU(0.2))
    for channels in others:
        _add(network, _resample(layers.Conv2D, channels), _batch_norm(), layers.LeakyReLU(0.2))
    _add(network, layers.Flatten(), layers.Dense(1, kernel_initializer=_normal()))
    return network


def _channels(size: int, width: int) -> list[int]:
    """Return the channels from ``size / 2`` down to 4x4.

    >>> _channels(64, 128)
    [128, 256, 512, 1024]
    """
    return [width << level for level in range(size.bit_length() - 3)]


def _add(network: "keras.Sequential", *layers: Any) -> None:
    for layer in layers:
        network.add(layer)


def _resample(kind: Any, channels: int, use_bias: bool = False, **options: Any) -> Any:
    """Return a convolution that halves or doubles; a bias before BatchNorm would have no effect."""
    return kind(
        channels,
        kernel_size=4,
        strides=2,
        padding="same",
        data_format="channels_last",
        use_bias=use_bias,
        kernel_initializer=_normal(),
        **options,
    )


def _batch_norm() -> Any:
    from keras import layers

    # Keras' own momentum, 0.99, would forget its initial values too slowly for GAN.settle.
    return layers.BatchNormalization(momentum=0.95, epsilon=1e-5)


def _normal() -> Any:
    from keras import initializers

    return initializers.RandomNormal(stddev=0.02)
