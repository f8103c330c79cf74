"""What running a network costs on this machine: time and memory.

Times of different networks can be compared only if they were taken at the same time, because what
else the machine does changes from minute to minute. So networks take turns, and each is compared
with the baseline in the same round.
"""

import ctypes
import gc
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

Run = Callable[[], object]
# Forward passes before anything is timed: caches fill, kernels are chosen, threads start.
WARM_UP = 3


def take_turns(runs: Mapping[str, Run], rounds: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Time every run once in each round, in an order that is drawn anew for each round.

    Parameters
    ----------
    runs
        What is timed, by name.
    rounds
        How many rounds are timed, after `WARM_UP` rounds that are not.
    seed
        Seeds the orders.

    Returns
    -------
    dict
        Seconds, float64, `(rounds,)`, by the name of the run.
    """
    rng = np.random.default_rng(seed)
    names = list(runs)
    for _ in range(WARM_UP):
        for name in names:
            runs[name]()
    seconds = {name: np.empty(rounds) for name in names}
    for number in range(rounds):
        for name in rng.permutation(names):
            start = time.perf_counter()
            runs[name]()
            seconds[name][number] = time.perf_counter() - start
    return seconds


def compare(seconds: Mapping[str, np.ndarray], baseline: str) -> dict[str, dict[str, float]]:
    """Median time of each run, and its time as a fraction of the baseline's in the same round.

    Parameters
    ----------
    seconds
        Of each run, float64 of shape `(rounds,)`, by its name.
    baseline
        Name of one of them.

    Returns
    -------
    dict
        By name of the run: `seconds`, the median; `relative_time`, the median of the fractions;
        and its quartiles, `relative_time_low` and `relative_time_high`.
    """
    rows = {}
    for name, values in seconds.items():
        low, middle, high = np.quantile(values / seconds[baseline], [0.25, 0.5, 0.75])
        rows[name] = {
            "seconds": float(np.median(values)),
            "relative_time": float(middle),
            "relative_time_low": float(low),
            "relative_time_high": float(high),
        }
    return rows


def peak_memory(work: Run, warm_up: Run) -> int:
    """How much memory a piece of work needs at its peak.

    The work is done in a process of its own, a fork of this one. In this one, memory that others
    have used and freed would hide what the work needs. Call this before anything starts threads: a
    forked process lacks them, and would wait for them for ever.

    Parameters
    ----------
    work
        What is measured.
    warm_up
        A small piece of work of the same kind. It comes first, so that the memory of the program
        code, which any such work needs, does not count.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    RuntimeError
        The forked process ended without an answer.
    """
    # The process may keep what was freed. Work that gets such memory would seem to need none.
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(work, warm_up, sender))
    process.start()
    sender.close()
    try:
        return int(receiver.recv())
    except EOFError:
        raise RuntimeError("the process that measures memory broke down") from None
    finally:
        process.join()


def _measure(work: Run, warm_up: Run, sender: Connection) -> None:
    warm_up()
    before = _resident()
    work()
    # The peak of this process since it was copied, in KiB.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sender.send(max(peak - before, 0))


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
