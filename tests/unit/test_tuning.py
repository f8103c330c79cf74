"""What makes processes faster is set where it does so, and never against the user."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__ as dispatched

from prunescope import tuning

CPU = "processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nflags\t\t: fpu {flags}\n"


@pytest.mark.parametrize(
    ("vendor", "family", "flags", "slow"),
    [
        ("AuthenticAMD", 25, "avx2 avx512f", True),
        ("AuthenticAMD", 25, "avx2", False),  # Zen 3
        ("AuthenticAMD", 26, "avx2 avx512f", False),  # Zen 5
        ("GenuineIntel", 6, "avx2 avx512f", False),
    ],
)
def test_numpy_sorts_without_avx512_where_that_is_slow(
    vendor: str, family: int, flags: str, slow: bool
) -> None:
    found = tuning.variables(CPU.format(vendor=vendor, family=family, flags=flags))
    assert ("NPY_DISABLE_CPU_FEATURES" in found) == slow
    assert found.keys() >= tuning.MEMORY.keys()


def test_a_machine_that_tells_nothing_of_itself() -> None:
    assert tuning.variables("") == tuning.MEMORY


def test_what_the_user_has_set_stays() -> None:
    environment = {"MALLOC_TRIM_THRESHOLD_": "1"}
    tuning.tune(environment)
    assert environment["MALLOC_TRIM_THRESHOLD_"] == "1"
    assert environment["MALLOC_MMAP_THRESHOLD_"] == tuning.MEMORY["MALLOC_MMAP_THRESHOLD_"]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="features of another processor")
def test_numpy_knows_the_features_that_are_turned_off() -> None:
    assert set(tuning.SORTING["NPY_DISABLE_CPU_FEATURES"].split()) <= set(dispatched)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_that_is_freed_is_used_again() -> None:
    """Tensors of 64 MB, one after the other: their pages are taken a few times, or each time."""
    script = (
        "import resource, torch\n"
        "for _ in range(20): torch.zeros(16 << 20)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)"
    )

    def faults(environment: dict[str, str]) -> int:
        done = subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, **environment},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return int(done.stdout)

    pages = (64 << 20) // os.sysconf("SC_PAGE_SIZE")
    plain = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20), "THP_MEM_ALLOC_ENABLE": "0"}
    assert faults(plain) - faults(tuning.MEMORY) > 8 * pages


def test_sorts_are_the_same_with_and_without(tmp_path: Path) -> None:
    script = (
        "import sys, numpy as np\n"
        "keys = np.random.default_rng(0).integers(0, 1 << 62, (50, 700))\n"
        "np.save(sys.argv[1], np.sort(keys, axis=1))"
    )
    for name, environment in (("plain", {}), ("tuned", tuning.MEMORY | tuning.SORTING)):
        subprocess.run(
            [sys.executable, "-c", script, tmp_path / name],
            env={**os.environ, **environment},
            check=True,
        )
    np.testing.assert_array_equal(np.load(tmp_path / "plain.npy"), np.load(tmp_path / "tuned.npy"))
