"""Self-attention over the positions of a feature map (SAGAN: Zhang et al. 2019, arXiv:1805.08318).

Built from Keras' own layers. The paper's learned scale, which begins at 0, is folded into the last
convolution, which begins at 0: either way the block begins as the identity.
"""

from typing import Any

KEY_SHARE = 8  # the keys have an eighth of the channels


def self_attention(x: Any) -> Any:
    """Return features `x` (n, h, w, c) plus what each position gathers from all others."""
    from keras import layers

    _, height, width, channels = x.shape
    narrow = max(channels // KEY_SHARE, 1)
    query, key, value = (
        layers.Reshape((height * width, count))(layers.Conv2D(count, 1)(x))
        for count in (narrow, narrow, max(channels // 2, 1))
    )
    gathered = layers.Attention()([query, value, key])
    gathered = layers.Reshape((height, width, -1))(gathered)
    return layers.Add()([x, layers.Conv2D(channels, 1, kernel_initializer="zeros")(gathered)])
