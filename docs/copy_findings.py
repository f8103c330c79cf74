"""Write what finished studies found, and pictures of it, into the README and docs/.

Of the default study, and of that of the published scores: of those that are finished.

make findings
"""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
PICTURES = {
    "fashion_mnist": ("accuracy_by_method", "mis_by_rate", "sensitivity"),
    "published_scores": ("published_scores",),
}
# The comments around what is written, by the name of the text.
COMMENTS = {
    "findings": (
        "<!-- findings: written by `make findings` -->\n",
        "<!-- end of findings -->\n",
    ),
    "published findings": (
        "<!-- published findings: written by `make findings` -->\n",
        "<!-- end of published findings -->\n",
    ),
    "found": ("<!-- found -->\n", "<!-- end -->\n"),
}


def between(text: str, name: str, lines: str) -> str:
    """A text with other lines between the comments of a name."""
    first, last = COMMENTS[name]
    block = re.compile(f"({re.escape(first)}).*?({re.escape(last)})", re.DOTALL)
    replaced, number = block.subn(lambda found: f"{found[1]}\n{lines}\n{found[2]}", text)
    if number != 1:
        raise ValueError(f"the comments around the {name} are gone; put them back.")
    return replaced


def insert(readme: str, summary: str) -> str:
    """The README with a summary in its place, without its heading and its table."""
    parts = summary.partition("\n\n")[2].split("\n\n")
    # The table is long, and the paragraph after it explains it.
    lines = "\n\n".join(part for part in parts if not part.startswith(("|", "Changes are")))
    return between(readme, "findings", lines)


def rewrite(path: Path, change: dict[str, str]) -> None:
    """Write other lines between the comments of a file, by their names."""
    text = path.read_text(encoding="utf-8")
    for name, lines in change.items():
        text = between(text, name, lines)
    path.write_text(text, encoding="utf-8")


def main() -> None:
    # The charts come last, and after what is said.
    finished = [
        name
        for name, pictures in PICTURES.items()
        if all((RESULTS / name / "charts" / f"{picture}.svg").exists() for picture in pictures)
        and (RESULTS / name / "summary.md").exists()
    ]
    for name in finished:
        for picture in PICTURES[name]:
            source = RESULTS / name / "charts" / f"{picture}.svg"
            shutil.copyfile(source, ROOT / "docs" / "images" / f"{picture}.svg")
    readme = ROOT / "README.md"
    if "fashion_mnist" in finished:
        summary = (RESULTS / "fashion_mnist" / "summary.md").read_text(encoding="utf-8")
        readme.write_text(insert(readme.read_text(encoding="utf-8"), summary), encoding="utf-8")
    if "published_scores" in finished:
        page = (RESULTS / "published_scores" / "published_scores.md").read_text(encoding="utf-8")
        _, _, said = page.partition("\n\n")
        rewrite(readme, {"published findings": f"{said.partition(chr(10) * 2)[0]}\n"})
        lower = said.replace("\n## ", "\n### ").rstrip()
        rewrite(ROOT / "docs" / "published_scores.md", {"found": f"{lower}\n"})
    print(f"findings of: {', '.join(finished) or 'no study, because none is finished'}")


if __name__ == "__main__":
    main()
