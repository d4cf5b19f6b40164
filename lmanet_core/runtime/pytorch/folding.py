"""Folding of batch normalisations into the convolutions before them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
_CONTAINERS = (nn.ModuleList, nn.ModuleDict)
"""Which have no `forward`: what is in them is called by the module that they are in."""


class _OwnForward(fx.Tracer):
    """Records what a module's own `forward` does with its parts, and looks into none of them."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        """All are."""
        return True


def fold_batch_norms(model: nn.Module) -> None:
    """Make each normalisation that follows a convolution a part of that convolution, in place.

    The outputs stay the same but for rounding; the model can no longer be trained. Folded is a
    convolution whose output a module's `forward` gives to a normalisation, and to nothing else.
    Where a `forward` cannot be traced, a warning says so, and the module stays as it is.

    Args:
        model: a network in eval mode.
    """
    owners = Counter(id(part) for module in model.modules() for part in module.children())
    for module in list(model.modules()):
        for conv_name, norm_name in list(_foldable(module)):
            conv, norm = module.get_submodule(conv_name), module.get_submodule(norm_name)
            if owners[id(conv)] == owners[id(norm)] == 1:
                assert isinstance(conv, _CONVOLUTIONS)
                assert isinstance(norm, nn.BatchNorm2d)
                _fuse(conv, norm)
                module.set_submodule(norm_name, nn.Identity())


def _fuse(conv: nn.Conv2d | nn.ConvTranspose2d, norm: nn.BatchNorm2d) -> None:
    """As `fuse_conv_bn_eval`, which copies the convolution first, and that takes longer."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
        transpose=isinstance(conv, nn.ConvTranspose2d),
    )


def _foldable(module: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of a convolution and of the normalisation that alone takes what it gives."""
    if isinstance(module, _CONTAINERS):
        return
    parts = dict(_parts(module))
    convolutions = {name for name, part in parts.items() if type(part) in _CONVOLUTIONS}
    norms = {name for name, part in parts.items() if type(part) is nn.BatchNorm2d}
    if not (convolutions and norms):
        return
    if type(module) is nn.Sequential:
        # What it does is known without a trace.
        yield from ((a, b) for a, b in pairwise(parts) if a in convolutions and b in norms)
        return
    try:
        graph = _OwnForward().trace(module)
    # Whatever others' code does with what stands in for a tensor.
    except Exception as error:
        logging.getLogger(__name__).warning(
            "%s runs slower than it might: its batch normalisations are not folded into its "
            "convolutions, because its forward cannot be traced (%s)",
            type(module).__name__,
            str(error).strip().partition(".")[0],
        )
        return
    calls = [(str(node.target), node) for node in graph.nodes if node.op == "call_module"]
    times = Counter(name for name, _ in calls)
    for norm_name, node in calls:
        source = node.args[0] if node.args else None
        if norm_name not in norms or not isinstance(source, fx.Node):
            continue
        conv_name = str(source.target)
        once = len(source.users) == times[conv_name] == times[norm_name] == 1
        if source.op == "call_module" and conv_name in convolutions and once:
            yield conv_name, norm_name


def _parts(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """What the module's `forward` calls, by the names that a trace has."""
    for name, part in module.named_children():
        yield f"{prefix}{name}", part
        if isinstance(part, _CONTAINERS):
            yield from _parts(part, f"{prefix}{name}.")
