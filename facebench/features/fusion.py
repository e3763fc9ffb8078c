"""A trained network rewritten into a faster one, by algebra: equal but for rounding."""

import torch.nn.functional as F
from torch import nn
from torch.fx import GraphModule, symbolic_trace
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch_fidelity.feature_extractor_inceptionv3 import BasicConv2d


def fold_batch_norms(module: nn.Module) -> None:
    """Fold each BatchNorm into the convolution before it (Jacob et al. 2018, 1712.05877, 3.2)."""
    for block in module.modules():
        if isinstance(block, BasicConv2d):
            block.conv = fuse_conv_bn_eval(block.conv, block.bn)
            block.bn = nn.Identity()


def project_before_pooling(blocks: nn.Module) -> GraphModule:
    """Return `blocks` with each average pool behind the 1×1 convolution that followed it.

    They commute, for both are linear and a constant's average over what is no padding is itself;
    and the convolution leaves a seventh to a quarter of the channels to pool.
    """
    traced = symbolic_trace(blocks)
    for pool in traced.graph.find_nodes(op="call_function", target=F.avg_pool2d):
        (projection,) = pool.users
        projection.replace_all_uses_with(pool)
        projection.replace_input_with(pool, pool.args[0])
        pool.args = (projection, *pool.args[1:])
        projection.append(pool)
    traced.recompile()
    return traced
