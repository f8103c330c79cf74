"""Set the environment variables that make the processes of a run faster.

Libraries read them when a process starts, so the Snakefile sets them before any job starts.
docs/performance.md says how much time they save.
"""

import platform
from collections.abc import MutableMapping
from pathlib import Path

# When large blocks of memory are freed, glibc returns them to the system. For the next tensor of
# that size it fetches them again, page by page. With these limits it keeps them. Versions before
# `GLIBC` refuse such a large threshold and keep a small one instead.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 31)}
GLIBC = (2, 36)
# NumPy sorts with AVX-512 if the processor has it. On Zen 4 the compressed stores of AVX-512 are so
# slow that AVX2 sorts twice as fast and partitions five times as fast. The last bits of some
# functions, such as tanh, may differ, as they do between machines.
SORTING = {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}
ZEN_3_AND_4 = "25"
CPU = Path("/proc/cpuinfo")


def variables(cpu: str, libc: tuple[str, str]) -> dict[str, str]:
    """The variables to set on a machine.

    Parameters
    ----------
    cpu
        The text of its `/proc/cpuinfo`; empty if there is none.
    libc
        The name and the version of its C library, from `platform.libc_ver`.
    """
    memory = MEMORY if _keeps_memory(*libc) else {}
    return memory | SORTING if _sorts_slowly(cpu) else memory


def _keeps_memory(name: str, version: str) -> bool:
    return name == "glibc" and tuple(map(int, version.split(".")[:2])) >= GLIBC


def _sorts_slowly(cpu: str) -> bool:
    facts = {
        key.strip(): value.strip()
        for key, _, value in (line.partition(":") for line in cpu.splitlines())
    }
    zen = (facts.get("vendor_id"), facts.get("cpu family")) == ("AuthenticAMD", ZEN_3_AND_4)
    return zen and "avx512f" in facts.get("flags", "").split()


def tune(environment: MutableMapping[str, str]) -> None:
    """Set the variables for this machine in `environment`, except those that the user has set."""
    cpu = CPU.read_text(encoding="utf-8") if CPU.exists() else ""
    own = variables(cpu, platform.libc_ver())
    for name, value in (MEMORY | SORTING).items():
        if name in own:
            environment.setdefault(name, value)
        elif environment.get(name) == value:
            # It was set by the machine that submitted this job, which is of another kind.
            del environment[name]
