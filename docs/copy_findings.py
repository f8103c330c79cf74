"""Write what the finished default study found, and pictures of it, into the README.

make findings
"""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STUDY = ROOT / "results" / "fashion_mnist"
PICTURES = ("accuracy_by_method", "mis_by_rate", "sensitivity")
BLOCK = re.compile(
    r"(<!-- findings: written by `make findings` -->\n).*?(<!-- end of findings -->\n)", re.DOTALL
)


def insert(readme: str, summary: str) -> str:
    """The README with a summary in its place, without its heading and its table."""
    parts = summary.partition("\n\n")[2].split("\n\n")
    # The table is long, and the paragraph after it explains it.
    lines = "\n\n".join(part for part in parts if not part.startswith(("|", "Changes are")))
    replaced, number = BLOCK.subn(lambda found: f"{found[1]}\n{lines}\n{found[2]}", readme)
    if number != 1:
        raise ValueError("README.md: the comments around the findings are gone; put them back.")
    return replaced


def main() -> None:
    readme = ROOT / "README.md"
    summary = (STUDY / "summary.md").read_text(encoding="utf-8")
    readme.write_text(insert(readme.read_text(encoding="utf-8"), summary), encoding="utf-8")
    for name in PICTURES:
        shutil.copyfile(STUDY / "charts" / f"{name}.svg", ROOT / "docs" / "images" / f"{name}.svg")


if __name__ == "__main__":
    main()
