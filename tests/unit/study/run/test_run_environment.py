"""What makes processes faster is set where it does so, and never against the user."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from numpy._core._multiarray_umath import __cpu_dispatch__ as dispatched

from prunescope.foundation.code_digest import SCRIPTS
from prunescope.study.run import environment as environment_module
from prunescope.study.run.environment import MEMORY, SORTING, tune, variables

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
    cpu = CPU.format(vendor=vendor, family=family, flags=flags)
    assert variables(cpu, ("", "")) == (SORTING if slow else {})


@pytest.mark.parametrize(
    ("libc", "keeps"),
    [
        (("glibc", "2.36"), True),
        (("glibc", "2.41"), True),
        (("glibc", "3.0"), True),
        (("glibc", "2.35"), False),
        (("glibc", "2.4"), False),
        (("musl", "2.36"), False),
        (("", ""), False),
    ],
)
def test_memory_is_kept_where_the_c_library_can(libc: tuple[str, str], keeps: bool) -> None:
    assert variables("", libc) == (MEMORY if keeps else {})


@pytest.fixture
def slow_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Zen 4 with this C library."""
    (tmp_path / "cpuinfo").write_text(CPU.format(vendor="AuthenticAMD", family=25, flags="avx512f"))
    monkeypatch.setattr(environment_module, "CPU", tmp_path / "cpuinfo")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))


@pytest.mark.usefixtures("slow_machine")
def test_what_the_user_has_set_stays() -> None:
    environment = {"MALLOC_TRIM_THRESHOLD_": "1"}
    tune(environment)
    assert environment == SORTING | MEMORY | {"MALLOC_TRIM_THRESHOLD_": "1"}


@pytest.mark.usefixtures("slow_machine")
def test_a_job_does_not_take_over_what_is_for_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: dict[str, str] = {}
    tune(environment)
    monkeypatch.setattr(environment_module, "CPU", tmp_path / "none")
    tune(environment)
    assert environment == MEMORY
    own = {"NPY_DISABLE_CPU_FEATURES": "X86_V3"}
    tune(own)
    assert own == MEMORY | {"NPY_DISABLE_CPU_FEATURES": "X86_V3"}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="features of another processor")
def test_numpy_knows_the_features_that_are_turned_off() -> None:
    assert set(SORTING["NPY_DISABLE_CPU_FEATURES"].split()) <= set(dispatched)


HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.skipif(
    not variables("", platform.libc_ver()), reason="a C library that does not keep memory"
)
@pytest.mark.skipif(
    HUGE_PAGES.exists() and "[always]" in HUGE_PAGES.read_text(), reason="pages are large anyway"
)
def test_memory_that_is_freed_is_used_again() -> None:
    """Tensors of 64 MB, one after the other: their pages are taken a few times, or each time."""
    script = (
        "import resource, torch\n"
        "for _ in range(20): torch.zeros(16 << 20)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)"
    )
    pages = (64 << 20) // os.sysconf("SC_PAGE_SIZE")
    plain = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20), "THP_MEM_ALLOC_ENABLE": "0"}
    given_back, kept = (int(run(script, environment)) for environment in (plain, MEMORY))
    assert given_back - kept > 8 * pages


def run(script: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_what_is_drawn_and_found_does_not_depend_on_how_numpy_sorts() -> None:
    """The last bits of a score may: they come from tanh."""
    script = (
        "import hashlib, numpy as np\n"
        "from prunescope.interpret import exemplars, mis, score_variants\n"
        "rng = np.random.default_rng(0)\n"
        "running = exemplars.RunningExtremes(900, exemplars.ExemplarSettings(200, 'random', 0))\n"
        "for _ in range(3): running.update(rng.normal(size=(300, 90)).astype(np.float32))\n"
        "sides = [side.indices for side in running.extremes()]\n"
        "floor = score_variants.permute(90, 900, 200, 0)\n"
        "similarity = rng.uniform(-1, 1, (900, 900)).astype(np.float32)\n"
        "tasks = mis.draw_tasks(*sides, mis.ScoreSettings(9, 20, 0.16, 'imi', 0))\n"
        "deltas = mis.task_deltas(*tasks, similarity)\n"
        "arrays = [*sides, floor.strongest, floor.weakest, *tasks, deltas]\n"
        "print([hashlib.sha256(array.tobytes()).hexdigest() for array in arrays])"
    )
    plain, tuned = run(script, {}), run(script, MEMORY | SORTING)
    assert plain == tuned
    assert plain.count("'") == 14
