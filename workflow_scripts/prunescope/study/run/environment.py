"""Set the environment variables that make the processes of a run faster.

The C library reads them when a process starts, so the Snakefile sets them before any job starts.
docs/performance.md says how much time they save.
"""

import platform
from collections.abc import MutableMapping

# When large blocks of memory are freed, glibc returns them to the system. For the next tensor of
# that size it fetches them again, page by page. With these limits it keeps them. Versions before
# `GLIBC` refuse such a large threshold and keep a small one instead.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 31)}
GLIBC = (2, 36)


def keeps_memory(name: str, version: str) -> bool:
    """Whether a C library heeds the limits. Its name and version are from `platform.libc_ver`."""
    return name == "glibc" and tuple(map(int, version.split(".")[:2])) >= GLIBC


def tune(environment: MutableMapping[str, str]) -> None:
    """Set the variables for this machine in `environment`, except those that the user has set."""
    heeded = keeps_memory(*platform.libc_ver())
    for name, value in MEMORY.items():
        if heeded:
            environment.setdefault(name, value)
        elif environment.get(name) == value:
            # It was set by the machine that submitted this job, which is of another kind.
            del environment[name]
