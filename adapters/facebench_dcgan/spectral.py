"""Layers whose kernels have spectral norm 1 (Miyato et al. 2018, arXiv:1802.05957).

Keras' own wrapper (still in 3.15) overwrites the kernel in the forward pass, which PyTorch refuses
where one step calls a network twice; here the kernel stays and is divided by its norm.
"""

from typing import Any

from keras import layers, ops

EPSILON = 1e-12


class _Spectral:
    """What both layers share: a running estimate of the kernel's first right singular vector."""

    _kernel: Any  # where Keras' layers keep what `kernel` gives
    vector: Any

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)  # type: ignore[misc]
        rows = self._kernel.shape[-1]
        self.vector = self.add_weight(  # type: ignore[attr-defined]
            name="vector", shape=(1, rows), initializer="random_normal", trainable=False
        )

    @property
    def kernel(self) -> Any:
        """The kernel over its norm."""
        return self._iterate()[0]

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the layer's outputs; in training, keep the estimate that they were made with."""
        outputs = super().call(inputs)  # type: ignore[misc]
        if training:
            self.vector.assign(self._iterate()[1])
        return outputs

    def _iterate(self) -> tuple[Any, Any]:
        """Return the kernel over its norm, and the estimate after one step of power iteration."""
        kernel = ops.convert_to_tensor(self._kernel)
        flat = ops.reshape(kernel, (-1, kernel.shape[-1]))
        fixed = ops.stop_gradient(flat)
        left = _unit(ops.matmul(ops.convert_to_tensor(self.vector), ops.transpose(fixed)))
        right = _unit(ops.matmul(left, fixed))
        return kernel / ops.sum(ops.matmul(left, flat) * right), right


def _unit(x: Any) -> Any:
    return x / (ops.norm(x) + EPSILON)


class SpectralConv2D(_Spectral, layers.Conv2D):  # type: ignore[misc]  # Keras has no types
    """A convolution of spectral norm 1, of its kernel as a matrix (inputs x outputs)."""


class SpectralDense(_Spectral, layers.Dense):  # type: ignore[misc]  # Keras has no types
    """A dense layer of spectral norm 1."""
