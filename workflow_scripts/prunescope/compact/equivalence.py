"""Whether networks give the same outputs for the same images."""

from collections.abc import Mapping

import numpy as np

# The largest difference of any output that is allowed, as a fraction of the largest output. In
# trained networks, rounding in single precision adds up to less.
TOLERANCES = {"pytorch": 1e-5, "onnxruntime": 1e-4}
# Where outputs are small sums of large terms, as in untrained networks, rounding weighs more. So a
# difference may also be as large as this many times the rounding of the original network itself.
ROUNDINGS = 10


def difference(outputs: np.ndarray, others: np.ndarray) -> float:
    """Largest difference of two arrays, as a fraction of the largest value.

    Parameters
    ----------
    outputs, others
        Floats of the same shape. The largest value is that of `outputs`.

    Returns
    -------
    float
        A fraction; the difference itself if all `outputs` are zero.
    """
    largest = float(np.abs(outputs).max())
    apart = float(np.abs(outputs - others).max())
    return apart / largest if largest else apart


def require(
    expected: np.ndarray, outputs: Mapping[str, np.ndarray], rounding: float = 0.0
) -> dict[str, float]:
    """Compare the outputs of a compact network in each runtime with what they must be.

    Parameters
    ----------
    expected
        Outputs of the original network: floats of shape `(images, classes)`.
    outputs
        Those of the compact one, of the same shape, by runtime.
    rounding
        The difference between the outputs of the original network in single and in double
        precision.

    Returns
    -------
    dict
        The difference by runtime, as `difference` gives it.

    Raises
    ------
    ArithmeticError
        They differ by more than rounding explains, or are not numbers.
    """
    found = {runtime: difference(expected, values) for runtime, values in outputs.items()}
    for runtime, apart in found.items():
        allowed = max(TOLERANCES[runtime], ROUNDINGS * rounding)
        if not apart <= allowed:
            raise ArithmeticError(
                f"the compact network does not compute what the masked one does: in {runtime} its "
                f"outputs differ by {apart:.2g} of the largest, more than "
                f"{allowed:.2g}. Nothing is written. This is a fault of prunescope."
            )
    return found
