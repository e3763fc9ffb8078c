"""Flow matching with a U-Net in PyTorch."""

from facebench_flow.sampler import FlowSampler as FlowSampler
