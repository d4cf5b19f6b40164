"""The registered operator under PyTorch's own checks, compile and export."""

import pytest
import torch
from torch import Tensor, nn

from lmanet_core.ops import local_attention
from lmanet_core.ops.registration import local_attention_backward_op, local_attention_op


def random_inputs(requires_grad: bool = False) -> tuple[Tensor, ...]:
    torch.manual_seed(0)
    return tuple(
        torch.randn(shape, requires_grad=requires_grad)
        for shape in ((1, 4, 6, 9), (1, 2, 4, 6, 9), (1, 2, 8, 6, 9))
    )


class Read(nn.Module):
    def forward(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        return local_attention(query, keys, values, 5).relu()


def test_is_found_by_its_name():
    assert torch.ops.lmanet.local_attention.default is not None


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_passes_opcheck(requires_grad, dtype):
    inputs = (tensor.detach().to(dtype) for tensor in random_inputs())
    inputs = [tensor.requires_grad_(requires_grad) for tensor in inputs]
    torch.library.opcheck(local_attention_op, (*inputs, 5))


def test_backward_passes_opcheck():
    inputs = random_inputs()
    read, log_sum_exp = local_attention_op(*inputs, 5)
    arguments = (torch.randn_like(read), *inputs, read, log_sum_exp, 5)
    torch.library.opcheck(local_attention_backward_op, arguments)


def test_meta_tensors_give_shapes():
    query, keys, values = (tensor.to("meta") for tensor in random_inputs())
    read = local_attention(query, keys, values, 5)
    assert (read.shape, read.device.type) == ((1, 8, 6, 9), "meta")


def test_export_keeps_it_as_one_node():
    program = torch.export.export(Read(), random_inputs())
    targets = [str(node.target) for node in program.graph.nodes]
    assert targets.count("lmanet.local_attention.default") == 1
    inputs = random_inputs()
    assert torch.equal(program.module()(*inputs), Read()(*inputs))


@pytest.mark.parametrize("backend", ["aot_eager"])
def test_compiles_in_one_graph_forward_and_backward(backend):
    compiled = torch.compile(Read(), backend=backend, fullgraph=True)
    results = []
    for module in (Read(), compiled):
        inputs = random_inputs(requires_grad=True)
        read = module(*inputs)
        results.append([read, *torch.autograd.grad(read.square().sum(), inputs)])
    for plain, optimised in zip(*results, strict=True):
        assert torch.allclose(plain, optimised, atol=1e-5)
