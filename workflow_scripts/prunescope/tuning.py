"""Environment variables that make the processes of a run faster, and change nothing else.

Libraries read them when a process starts, so they are set before: the Snakefile sets them for all
jobs. docs/performance.md has what they save.
"""

from collections.abc import MutableMapping
from pathlib import Path

# glibc gives large blocks back to the system when they are freed, and takes them anew, page by
# page, for the next tensor of that size. With these limits it keeps them.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 31)}
# NumPy sorts with AVX-512 where there is one. On Zen 4 its compressed stores take so long that
# AVX2 sorts and partitions faster: twice and five times as fast.
SORTING = {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}
ZEN_3_AND_4 = "25"
CPU = Path("/proc/cpuinfo")


def variables(cpu: str) -> dict[str, str]:
    """What to set on a machine whose `/proc/cpuinfo` begins with the text `cpu`."""
    facts = {
        key.strip(): value.strip()
        for key, _, value in (line.partition(":") for line in cpu.splitlines())
    }
    zen = (facts.get("vendor_id"), facts.get("cpu family")) == ("AuthenticAMD", ZEN_3_AND_4)
    slow = zen and "avx512f" in facts.get("flags", "").split()
    return MEMORY | SORTING if slow else MEMORY


def tune(environment: MutableMapping[str, str]) -> None:
    """Set the variables for this machine in `environment`, but none that the user has set."""
    cpu = CPU.read_text(encoding="utf-8") if CPU.exists() else ""
    for name, value in variables(cpu).items():
        environment.setdefault(name, value)
