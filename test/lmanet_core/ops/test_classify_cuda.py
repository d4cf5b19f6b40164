"""Labels and confidences on CUDA: the kernel in an interpreter and on a GPU, and as compiled."""

from importlib.metadata import version

import pytest
import torch
from torch import Tensor
from triton_interpreter import triton_interpreter

pytest.importorskip("triton", reason="Triton is not installed")

from lmanet_core.benchmark.cuda_compilation import CHIPS, compile_for_chip
from lmanet_core.ops.implementations import classify_cuda, plain_classify

DTYPES = (torch.float16, torch.bfloat16, torch.float32)
ERFNET = (1, 19, 512, 1024)
INTERLEAVED = {"memory_format": torch.channels_last}


def random_logits(classes: int, dtype: torch.dtype) -> Tensor:
    """Of two streams and more pixels than a program has, in no whole number."""
    random = torch.Generator().manual_seed(classes)
    logits = 3 * torch.randn((2, classes, 3, 50), generator=random).to(dtype)
    logits[:, -1] = logits[:, 0]  # equals: the first one
    return logits


def classify(logits: Tensor, confidence: bool, *size: object) -> Tensor:
    return classify_cuda.classify(logits, *size, confidence=confidence)


@pytest.fixture(scope="module", params=["interpreter", pytest.param("gpu", marks=pytest.mark.gpu)])
def run(request):
    """`classify` where the kernel runs."""
    if request.param == "interpreter":
        with triton_interpreter() as executor:
            yield lambda *arguments: executor.submit(classify, *arguments).result()
    elif torch.cuda.is_available():
        yield lambda logits, *others: classify(logits.cuda(), *others).cpu()
    else:
        pytest.skip("no CUDA device")


@pytest.mark.parametrize(
    ("classes", "dtype"),
    [*((19, dtype) for dtype in DTYPES), (1, torch.float32), (256, torch.bfloat16)],
)
def test_labels_and_confidence_are_those_of_the_softmax(run, classes, dtype):
    logits = random_logits(classes, dtype)
    for strided in (logits, logits.contiguous(**INTERLEAVED), logits[:, :, 1:, ::2]):
        labels, confidence = run(strided, True)
        assert torch.equal(labels.long(), strided.float().argmax(1))
        expected = 255 * strided.double().softmax(1).amax(1)
        assert (confidence - expected).abs().max() < 0.501
    assert torch.equal(run(logits, False), run(logits, True)[:1]), "confidence is left out"


@pytest.mark.parametrize("corners_aligned", [False, True])
def test_labels_of_small_logits_are_those_of_interpolated_ones(run, corners_aligned):
    logits = random_logits(19, torch.float32)[:, :-1, :, :20]
    size = (17, 153) if corners_aligned else (12, 80)
    large = torch.nn.functional.interpolate(
        logits, size, mode="bilinear", align_corners=corners_aligned
    )
    best, expected = large.max(1)
    for strided in (logits, logits.contiguous(**INTERLEAVED)):
        labels, confidence = run(strided, True, size, corners_aligned)
        of_labels = large.gather(1, labels.long()[:, None])[:, 0]
        assert (best - of_labels).max() < 1e-5, "another label only within rounding"
        assert (labels != expected).sum() <= 1
        assert (confidence - 255 * large.softmax(1).amax(1)).abs().max() < 0.502


def test_a_logit_that_is_no_number_is_uncertain_and_no_other_pixel_is(run):
    logits = random_logits(19, torch.float16)
    expected = run(logits, True)
    logits[1, 5, 2, 3], logits[0, 7, 1, 40] = torch.nan, torch.inf
    maps = run(logits, True)
    others = torch.ones(maps.shape[1:], dtype=torch.bool)
    others[1, 2, 3] = others[0, 1, 40] = False
    assert torch.equal(maps[:, others], expected[:, others])
    assert (maps[1, ~others] == 0).all()
    plain = plain_classify.classify(logits, confidence=True)
    assert (maps[1].int() - plain[1].int()).abs().max() <= 1, "as in PyTorch's operators"


@pytest.mark.parametrize("compute_capability", CHIPS)
def test_fits_every_chip(compute_capability):
    if compute_capability >= 100 and version("triton").startswith("3.2."):
        pytest.skip("Triton 3.2 knows no chip from sm_100 on; neither does its PyTorch")
    logits = torch.empty(ERFNET, dtype=torch.float16, device="meta")
    maps = torch.empty((2, 1, *ERFNET[2:]), dtype=torch.uint8, device="meta")
    small = torch.empty((1, 19, 128, 256), dtype=torch.float16, device="meta")
    for strided in (logits, logits.contiguous(**INTERLEAVED), small.contiguous(**INTERLEAVED)):
        launch = classify_cuda.classify_launch(strided, maps)
        taken = compile_for_chip(launch, compute_capability)
        assert taken.spilled == 0
        # A pass over memory needs many threads that wait for it.
        assert taken.occupancy(CHIPS[compute_capability]) >= 0.5
