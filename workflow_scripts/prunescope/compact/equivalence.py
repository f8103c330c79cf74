"""Whether networks give the same outputs for the same images."""

from collections.abc import Mapping

import numpy as np

# Largest difference of any output, as a fraction of the largest output: what rounding in single
# precision adds up to in trained networks.
TOLERANCES = {"pytorch": 1e-5, "onnxruntime": 1e-4}
# Where outputs are small sums of large terms, as in untrained networks, rounding weighs more: so
# many times the rounding of the original network itself are allowed.
ROUNDINGS = 10


def difference(outputs: np.ndarray, others: np.ndarray) -> float:
    """Largest difference of two arrays of the same shape, as a fraction of the largest value."""
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
        Outputs of the original network.
    outputs
        Those of the compact one, by runtime.
    rounding
        The difference between the outputs of the original network in single and in double
        precision.

    Returns
    -------
    dict
        The difference by runtime.

    Raises
    ------
    ArithmeticError
        They are further apart than rounding explains, or not numbers.
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
