"""Implementations; which one a device gets, and why, says `lmanet_core.ops.implementation_choice`.

Of local attention:

    fused_cpu       CPU; float32, bfloat16, float64; gradients. The C++ kernel.
    fused_cuda      CUDA; float16, bfloat16, float32; gradients. Triton; its parts: `fused_cuda_*`.
    tiled           any device, any float; gradients. Its form is that of plain ONNX files.
    dense           any device, any float; gradients. For `window_size` None, only.

Of labels and confidences, without gradients:

    fused_cpu       CPU; float32, bfloat16.
    classify_cuda   CUDA; float16, bfloat16, float32. Triton.
    plain_classify  any device, any float.
"""
