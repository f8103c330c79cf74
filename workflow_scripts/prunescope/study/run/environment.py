"""Environment variables that make the processes of a run faster.

Libraries read them when a process starts, so they are set before: the Snakefile sets them for all
jobs. docs/performance.md has what they save.
"""

import platform
from collections.abc import MutableMapping
from pathlib import Path

# glibc gives large blocks back to the system when they are freed, and takes them anew, page by
# page, for the next tensor of that size. With these limits it keeps them. Older ones refuse such
# a threshold, and then stick to a small one.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 31)}
GLIBC = (2, 36)
# NumPy sorts with AVX-512 where there is one. On Zen 4 its compressed stores take so long that
# AVX2 sorts and partitions faster: twice and five times as fast. (The last bits of some functions,
# as of tanh, may differ, as they do between machines.)
SORTING = {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}
ZEN_3_AND_4 = "25"
CPU = Path("/proc/cpuinfo")


def variables(cpu: str, libc: tuple[str, str]) -> dict[str, str]:
    """What to set on a machine.

    Parameters
    ----------
    cpu
        The text of its `/proc/cpuinfo`, or nothing.
    libc
        Name and version of its C library, as `platform.libc_ver` tells them.
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
    """Set the variables for this machine in `environment`, but none that the user has set."""
    cpu = CPU.read_text(encoding="utf-8") if CPU.exists() else ""
    own = variables(cpu, platform.libc_ver())
    for name, value in (MEMORY | SORTING).items():
        if name in own:
            environment.setdefault(name, value)
        elif environment.get(name) == value:
            # The machine that submitted this job set it, and is of another kind.
            del environment[name]
