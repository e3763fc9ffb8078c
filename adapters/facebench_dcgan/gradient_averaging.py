"""TensorFlow's way to average gradients among the processes that torchrun started.

Keras 3 cannot train under this strategy (keras-team/keras#20585), so its variables stay outside:
what passes through it are gradients alone, by NCCL between GPUs and by gRPC between CPUs.
"""

import json
import os
import socket
from typing import Any

import tensorflow as tf

from facebench.distributed.torchrun import first_address, own_gpu
from facebench.training.parallel import Group


class Mirrored:
    """The connection of one process; made before TensorFlow computes anything."""

    def __init__(self, group: Group):
        """Connect to the others of `group`."""
        if gpus := tf.config.list_physical_devices("GPU"):
            own = gpus[own_gpu(len(gpus))]  # the others are left to the other processes
            tf.config.set_visible_devices([own], "GPU")
        cluster = {"worker": group.gather(_own_address())}
        task = {"type": "worker", "index": group.rank}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
        self.strategy = tf.distribute.MultiWorkerMirroredStrategy()

    def average(self, gradients: list[Any]) -> list[Any]:
        """Return the mean of each gradient over the processes."""

        def reduced() -> list[Any]:
            replica = tf.distribute.get_replica_context()
            here = [tf.identity(gradient) for gradient in gradients]  # on the replica's device
            return list(replica.all_reduce(tf.distribute.ReduceOp.MEAN, here))

        return list(self.strategy.run(reduced))


def _own_address() -> str:
    """Return where the others reach this process: as the first one would, at a free port."""
    first = first_address()
    family = socket.getaddrinfo(*first)[0][0]
    with socket.socket(family, socket.SOCK_DGRAM) as route, socket.socket(family) as listening:
        route.connect(first)  # sends nothing
        host = route.getsockname()[0]
        listening.bind((host, 0))
        port = listening.getsockname()[1]
    return f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"
