"""The device of a job, and the precision of what it computes there."""

import os

import torch


def choose() -> torch.device:
    """The first GPU that CUDA shows to this process, else the CPU.

    Computes in full float32 and by reproducible algorithms until `allow_tf32` says otherwise:
    networks are measured as they were trained to be, not as a device finds fast. Operations that
    have no reproducible form on the GPU warn and run.

    Hide a GPU with `CUDA_VISIBLE_DEVICES=`.
    """
    allow_tf32(False)
    if not torch.cuda.is_available():
        return torch.device("cpu")
    # cuBLAS needs this setting to be reproducible; it reads it when it starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    return torch.device("cuda", torch.cuda.current_device())


def allow_tf32(allowed: bool) -> None:
    """Whether GPUs may round the factors of float32 products to 10 bits (TensorFloat-32).

    Set for matrix products and convolutions alike: torch's own defaults differ between the two.
    """
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
