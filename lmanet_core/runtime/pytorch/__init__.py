"""What of the runtime needs PyTorch: the backend of checkpoints, and TensorRT's, whose memory
PyTorch holds. Nothing else in `lmanet_core.runtime` may import it.
"""
