"""Choose the device of a job, and its settings for precision and reproducibility."""

import os

import torch


def choose() -> torch.device:
    """The current GPU of CUDA, or the CPU if the process sees no GPU.

    Also sets torch to full float32 precision and reproducible algorithms, so that the results of
    networks do not depend on the device's fast modes. `allow_tf32` may change the precision
    later. An operation without a reproducible algorithm on the GPU runs and warns.

    `CUDA_VISIBLE_DEVICES=` hides the GPUs.
    """
    allow_tf32(False)
    if not torch.cuda.is_available():
        return torch.device("cpu")
    # cuBLAS reads this when it starts, and is reproducible only with this setting.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    return torch.device("cuda", torch.cuda.current_device())


def allow_tf32(allowed: bool) -> None:
    """Set whether GPUs may round the factors of float32 products to TensorFloat-32 (10 bits).

    Sets it for matrix products and for convolutions: torch's defaults differ between the two.
    """
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
