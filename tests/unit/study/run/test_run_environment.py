"""What makes processes faster is set where it does so, and never against the user."""

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from prunescope.foundation.code_digest import SCRIPTS
from prunescope.study.run.environment import MEMORY, keeps_memory, tune


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
    assert keeps_memory(*libc) == keeps


@pytest.fixture
def libc(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Pretend that the machine has another C library."""
    return lambda *found: monkeypatch.setattr(platform, "libc_ver", lambda: found)


def test_what_the_user_has_set_stays(libc: Callable[[str, str], None]) -> None:
    libc("glibc", "2.36")
    environment = {"MALLOC_TRIM_THRESHOLD_": "1"}
    tune(environment)
    assert environment == MEMORY | {"MALLOC_TRIM_THRESHOLD_": "1"}


def test_a_job_does_not_take_over_what_is_for_another_machine(
    libc: Callable[[str, str], None],
) -> None:
    environment: dict[str, str] = {}
    libc("glibc", "2.36")
    tune(environment)
    libc("musl", "1.2")
    own = {**environment, "MALLOC_TRIM_THRESHOLD_": "1"}
    tune(environment)
    assert environment == {}
    tune(own)
    assert own == {"MALLOC_TRIM_THRESHOLD_": "1"}


HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.skipif(
    not keeps_memory(*platform.libc_ver()), reason="a C library that does not keep memory"
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
    """With AVX-512 it sorts in another way. The last bits of a score may differ: of tanh."""
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
    without = {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}
    plain, otherwise = run(script, {}), run(script, MEMORY | without)
    assert plain == otherwise
    assert plain.count("'") == 14
