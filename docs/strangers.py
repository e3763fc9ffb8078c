"""Factories for two checkpoints that hold nothing but a state dictionary."""

from collections import OrderedDict

from torch import nn

UP = {"kernel_size": 4, "stride": 2, "padding": 1}


def dcgan() -> nn.Module:
    """Return the generator of dcgan32_uniform100.pt."""

    def block(conv: nn.Module, channels: int) -> nn.Module:
        return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.LeakyReLU(0.2))

    layers = nn.Sequential(
        block(nn.ConvTranspose2d(100, 256, 4, bias=False), 256),
        block(nn.Conv2d(256, 128, 3, padding=1, bias=False), 128),
        block(nn.ConvTranspose2d(128, 64, bias=False, **UP), 64),
        block(nn.ConvTranspose2d(64, 32, bias=False, **UP), 32),
        nn.Sequential(nn.ConvTranspose2d(32, 3, **UP), nn.Tanh()),
    )
    return nn.Sequential(OrderedDict(generator_deconv=layers))


def vae() -> nn.Module:
    """Return the decoder of vae64_normal32.pth, which holds an encoder too."""

    def up(i: int, c: int, d: int) -> list[tuple[str, nn.Module]]:
        conv, norm = nn.ConvTranspose2d(c, d, **UP), nn.BatchNorm2d(d)
        return [(f"d{i}", conv), (f"bn{i + 4}", norm), (f"act{i}", nn.LeakyReLU(0.2))]

    first = [("d1", nn.Linear(32, 1024)), ("act1", nn.LeakyReLU(0.2))]
    last = [("d5", nn.ConvTranspose2d(32, 3, **UP)), ("out", nn.Sigmoid())]
    middle = [*up(2, 64, 64), *up(3, 64, 32), *up(4, 32, 32)]
    return nn.Sequential(
        OrderedDict([*first, ("map", nn.Unflatten(1, (64, 4, 4))), *middle, *last])
    )
