"""Networks for tests of face models, as ONNX that OpenCV reads, and real faces to look at."""

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import torch
from PIL import Image
from torch import Tensor, nn

from facebench.data.crop import crop_box
from facebench.weights import WeightSource

SIDE = 112


class Residual(nn.Module):
    """An inverted bottleneck, with a shortcut where the shape stays."""

    def __init__(self, inward: int, outward: int, stride: int, widened: int):
        super().__init__()
        inner = inward * widened
        self.is_short = stride == 1 and inward == outward
        self.conv = nn.Sequential(
            _convolution(inward, inner, 1),
            _convolution(inner, inner, 3, stride, inner),
            nn.Conv2d(inner, outward, 1, bias=False),
            nn.BatchNorm2d(outward),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.is_short else self.conv(x)


class MobileFaceNet(nn.Module):
    """The network of the shared weights, 112×112 RGB in 0 to 255 → 128 numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _convolution(3, 64, 3, 2)
        separable: dict[str, nn.Module] = {"bn1": nn.BatchNorm2d(64), "bn2": nn.BatchNorm2d(64)}
        separable |= {"depthwise": nn.Conv2d(64, 64, 3, 1, 1, groups=64, bias=False)}
        separable |= {"pointwise": nn.Conv2d(64, 64, 1, bias=False)}
        self.dw_conv = nn.ModuleDict(separable)
        blocks, inward = [], 64
        for widened, outward, depth, stride in (
            *((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1)),
            *((4, 128, 1, 2), (2, 128, 2, 1)),
        ):
            for i in range(depth):
                blocks.append(Residual(inward, outward, 1 if i else stride, widened))
                inward = outward
        self.features = nn.Sequential(*blocks)
        self.conv2 = _convolution(128, 512, 1)
        pooling = nn.Conv2d(512, 512, 7, groups=512, bias=False)
        self.gdconv = nn.ModuleDict({"depthwise": pooling, "bn": nn.BatchNorm2d(512)})
        self.conv3 = nn.Conv2d(512, 128, 1)
        self.bn = nn.BatchNorm2d(128)
        self.mean = 255 * torch.tensor([0.485, 0.456, 0.406])[:, None, None]
        self.deviation = 255 * torch.tensor([0.229, 0.224, 0.225])[:, None, None]

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1((x - self.mean) / self.deviation)
        for layer, norm in (("depthwise", "bn1"), ("pointwise", "bn2")):
            x = self.dw_conv[norm](self.dw_conv[layer](x)).relu()
        x = self.conv2(self.features(x))
        x = self.gdconv["bn"](self.gdconv["depthwise"](x))
        return self.bn(self.conv3(x)).flatten(1)


def _convolution(inward: int, outward: int, side: int, stride: int = 1, groups: int = 1) -> Any:
    layer = nn.Conv2d(inward, outward, side, stride, side // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outward), nn.ReLU6())


def mobilefacenet(shared: Path, target: Path) -> Path:
    """Write the shared MobileFaceNet as ONNX, to stand in SFace's place."""
    network = MobileFaceNet()
    weights = shared / "weights" / "mobilefacenet.pt"
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return export(network, target)


def seeded(target: Path, dimensions: int = 128) -> Path:
    """Write a small network of SFace's form whose weights are noise."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Conv2d(3, 8, 8, 8), nn.Flatten(), nn.Linear(8 * 14 * 14, dimensions)
        return export(nn.Sequential(*layers), target)


def export(network: nn.Module, target: Path) -> Path:
    """Write a network of 112×112 pixels as ONNX."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its being the older of two ways, which needs less
        torch.onnx.export(
            network.eval(), (torch.zeros(1, 3, SIDE, SIDE),), target, dynamo=False, opset_version=13
        )
    return target


def weights_of(shared: Path, sface: Path) -> WeightSource:
    """Return where YuNet is, with `sface` in SFace's place."""
    yunet = shared / "weights" / "face_detection_yunet_2023mar.onnx"
    return WeightSource({"yunet": yunet, "sface": sface}, trust=True)


def celeba(shared: Path, num: int) -> np.ndarray:
    """Return the first pictures of CelebA at 64×64, uint8 (num, 3, 64, 64)."""
    with zipfile.ZipFile(shared / "faces" / "celeba_9000_89x109.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))[:num]
        pictures = [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in names]
    box, filter = crop_box("celeba", 89, 109), Image.Resampling.LANCZOS
    return np.stack([np.array(p.resize((64, 64), filter, box)) for p in pictures]).transpose(
        0, 3, 1, 2
    )


def olivetti(shared: Path) -> np.ndarray:
    """Return Olivetti's 400 faces, ten each of forty people, uint8 (400, 3, 64, 64)."""
    columns = scipy.io.loadmat(shared / "faces" / "olivettifaces.mat")["faces"]
    grey = columns.T.reshape(400, 1, 64, 64).swapaxes(2, 3)
    return np.repeat(grey.astype(np.uint8), 3, 1)
