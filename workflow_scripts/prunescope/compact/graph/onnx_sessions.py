"""Run ONNX models with onnxruntime on the CPU."""

from collections.abc import Callable

import numpy as np

from prunescope.compact.graph.nodes import INPUT


def open_session(model: bytes, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Load a model.

    Parameters
    ----------
    model
        The content of an ONNX file.
    threads
        How many threads one call may use; 0 leaves that to onnxruntime.

    Returns
    -------
    callable
        From images, float32 of shape `(batch, 3, side, side)`, to logits, float32 of shape
        `(batch, classes)`.
    """
    # Imported here because importing it starts a thread, and a process that forks may have none.
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
