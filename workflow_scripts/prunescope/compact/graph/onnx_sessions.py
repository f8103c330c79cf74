"""Run ONNX models with onnxruntime on the CPU."""

from collections.abc import Callable

import numpy as np

from prunescope.compact.graph.graph import INPUT


def open_session(model: bytes, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Load a model; return a function from `(batch, 3, side, side)` to `(batch, classes)`."""
    # Not above: importing it starts a thread, and who forks processes must have none (`warm`).
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait for work keep the cores busy: they would slow down whatever runs next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def run(images: np.ndarray) -> np.ndarray:
        (logits,) = session.run(None, {INPUT: images})
        return np.asarray(logits)

    return run
