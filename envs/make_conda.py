"""Write the files for `snakemake --sdm conda` from the lock files.

Snakemake copies a conda file away before it uses it, so it must not refer to a lock file: it
repeats its versions. Hashes stay with pip's lock files, which conda files cannot hold.
"""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
# The lock files that make an environment; of a package in several, the first one holds.
ENVIRONMENTS = {
    "prunescope": ("requirements.txt",),
    "perceptual": ("requirements.txt", "perceptual.txt"),
}
HEADER = """\
# Made by `make lock` from {locks}; do not edit.
name: {name}
channels: [conda-forge]
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def pinned(lock: str) -> list[str]:
    """The requirements of a lock file, each with its version and its condition."""
    text = (FOLDER / lock).read_text(encoding="utf-8")
    return re.findall(r"^([^\s#].*?)(?: \\)?$", text, flags=re.MULTILINE)


def render(name: str) -> str:
    """The conda file that belongs to an environment."""
    locks = ENVIRONMENTS[name]
    lines: list[str] = []
    for lock in locks:
        known = {line.partition("==")[0] for line in lines}
        lines += [line for line in pinned(lock) if line.partition("==")[0] not in known]
    header = HEADER.format(name=name, locks=" and ".join(locks))
    return header + "".join(f'      - "{requirement}"\n' for requirement in lines)


if __name__ == "__main__":
    for environment in ENVIRONMENTS:
        path = FOLDER / f"{environment}.yaml"
        path.write_text(render(environment), encoding="utf-8")
