"""Adam without momentum, whose rates may differ from step to step."""

from typing import Any

EPSILON = 1e-8


class ScheduledAdam:
    """Adam (Kingma & Ba 2015) with beta_1 = 0.

    Keras' own takes beta_2 as a number once and for all, and keeps a momentum that is the gradient.
    """

    def __init__(self, trained: list[Any]):
        """Begin for the variables `trained`."""
        import keras

        self.iterations = keras.Variable(0, dtype="int32", trainable=False, name="iterations")
        self._velocities = [
            keras.Variable(keras.ops.zeros(v.shape), trainable=False, name="velocity")
            for v in trained
        ]
        self.variables = [self.iterations, *self._velocities]

    def apply(self, gradients: list[Any], trained: list[Any], beta_2: Any, rate: Any) -> None:
        """Move `trained` by the learning rate `rate` against its gradients over their size."""
        from keras import ops

        self.iterations.assign(self.iterations + 1)
        unbiased = rate * ops.sqrt(1 - beta_2 ** ops.cast(self.iterations, "float32"))
        for variable, velocity, gradient in zip(trained, self._velocities, gradients, strict=True):
            size = beta_2 * velocity + (1 - beta_2) * ops.square(gradient)
            velocity.assign(size)
            variable.assign(variable - unbiased * gradient / (ops.sqrt(size) + EPSILON))
