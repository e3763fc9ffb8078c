"""What Keras leaves to its backends: gradients, their average among processes, compilation."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from facebench.training.learner import ImageRows
from facebench.training.parallel import ALONE, Group

if TYPE_CHECKING:
    from facebench.training.images import PlacedImages

Losses = tuple[Any, Any]
"""Of the discriminator and of the generator: scalar tensors of the backend."""
Tensors = list[Any]
Function = Callable[..., Any]
_PLAYERS = ("discriminator", "generator")


class Backend(ABC):
    """Gradients the way TensorFlow or PyTorch takes them, in one process of `group`."""

    def __init__(self, group: Group):
        self.group = group

    @abstractmethod
    def differentiate(self, losses: Function, *variables: Tensors) -> tuple[Any, list[Tensors]]:
        """Return `losses()`, and each loss's gradients by its variables, 0 where it has none."""

    @abstractmethod
    def value_and_gradient(self, function: Function, x: Any) -> tuple[Any, Any]:
        """Return `function(x)`, and the gradient of its sum by `x`, itself differentiable."""

    def input_gradient(self, function: Function, x: Any) -> Any:
        """Return that gradient alone."""
        return self.value_and_gradient(function, x)[1]

    @abstractmethod
    def average(self, gradients: Tensors) -> Tensors:
        """Return the mean of each gradient over the processes that train together."""

    def updating(self) -> AbstractContextManager[Any]:
        """Return the context in which variables are changed, and no gradients are asked for."""
        return nullcontext()

    def place(self, images: ImageRows) -> "ImageRows | PlacedImages":
        """Return the training images from where the networks take them: the host's memory.

        TensorFlow would take bytes, too, but it multiplies by the reciprocal where a graph divides
        by a constant: the last bits, and so all that is learnt, would change.
        """
        return images

    def tensor(self, values: Any) -> Any:
        """Return an array as a tensor where the networks are."""
        from keras import ops

        return ops.convert_to_tensor(values)

    def compiled(self, step: Function, jit: bool) -> Function:
        """Return `step` made fast."""
        return step


def find_backend(name: str, group: Group = ALONE) -> Backend:
    """Return the "tensorflow" or the "torch" backend of one process of `group`."""
    return _TensorFlow(group) if name == "tensorflow" else _Torch(group)


def running_backend() -> Backend:
    """Return the backend that Keras runs on, in one process."""
    import keras

    return find_backend(keras.backend.backend())


def numbered(parts: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Return the variables of all `parts`, each by the part's name and its place in it."""
    return {
        f"{name}/{i}": variable for name, found in parts.items() for i, variable in enumerate(found)
    }


class _TensorFlow(Backend):
    def __init__(self, group: Group):
        super().__init__(group)
        self.mirrored: Any = None
        if group.size > 1:
            from facebench_dcgan.gradient_averaging import Mirrored

            self.mirrored = Mirrored(group)

    def differentiate(self, losses: Function, *variables: Tensors) -> tuple[Any, list[Tensors]]:
        import tensorflow as tf

        with tf.GradientTape(persistent=True) as tape:
            values = losses()
        zero = tf.UnconnectedGradients.ZERO
        return values, [
            tape.gradient(loss, [v.value for v in each], unconnected_gradients=zero)
            for loss, each in zip(values, variables, strict=True)
        ]

    def value_and_gradient(self, function: Function, x: Any) -> tuple[Any, Any]:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return value, tape.gradient(value, x)

    def average(self, gradients: Tensors) -> Tensors:
        return self.mirrored.average(gradients) if self.mirrored else gradients

    def compiled(self, step: Function, jit: bool) -> Function:
        import tensorflow as tf

        return tf.function(step, autograph=False, jit_compile=jit or None)


class _Torch(Backend):
    def __init__(self, group: Group):
        from keras import ops

        super().__init__(group)
        self.device = ops.zeros(()).device
        self.numbers = nullcontext() if self.device.type == "cpu" else _numbers_made_on_the_gpu()

    def place(self, images: ImageRows) -> "ImageRows | PlacedImages":
        from facebench.training.images import PlacedImages

        return images if self.device.type == "cpu" else PlacedImages(images, self.device)

    def tensor(self, values: Any) -> Any:
        from facebench.numerics.transfer import send

        is_here = self.device.type == "cpu" or not isinstance(values, np.ndarray)
        return super().tensor(values) if is_here else send(values, self.device)

    def differentiate(self, losses: Function, *variables: Tensors) -> tuple[Any, list[Tensors]]:
        import torch

        values, gradients = losses(), []
        for loss, each in zip(values, variables, strict=True):
            tensors = [variable.value for variable in each]
            found = torch.autograd.grad(loss, tensors, retain_graph=True, allow_unused=True)
            pairs = zip(found, tensors, strict=True)
            gradients.append([torch.zeros_like(t) if g is None else g for g, t in pairs])
        return [value.detach() for value in values], gradients  # a graph would hold its memory

    def value_and_gradient(self, function: Function, x: Any) -> tuple[Any, Any]:
        import torch

        x = x.detach().requires_grad_()
        value = function(x)
        (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        return value, gradient

    def average(self, gradients: Tensors) -> Tensors:
        self.group.average(gradients)
        return gradients

    def compiled(self, step: Function, jit: bool) -> Function:
        from facebench.training.recorded import recorded

        if self.group.size > 1:
            return step

        def named(batch: Mapping[str, Any]) -> dict[str, Any]:
            return dict(zip(_PLAYERS, step(batch), strict=True))

        play = recorded(named, self.device)

        def taken(batch: Mapping[str, Any]) -> Losses:
            there = {name: self.tensor(values) for name, values in batch.items()}
            losses = play(there)
            return losses[_PLAYERS[0]], losses[_PLAYERS[1]]

        return taken

    @contextmanager
    def updating(self) -> Iterator[None]:
        import torch

        with torch.no_grad(), self.numbers:
            yield


def _numbers_made_on_the_gpu() -> AbstractContextManager[Any]:
    """Return a context in which a number's tensor is made on its device.

    Keras' optimizers send numbers there in every step (their betas, how many steps were taken), and
    for each of them torch waits for all that the GPU was asked before.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Mode(TorchFunctionMode):
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if function is torch.as_tensor and isinstance(args[0], int | float):
                return torch.full((), *args, **(kwargs or {}))
            return function(*args, **(kwargs or {}))

    return Mode()
