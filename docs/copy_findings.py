"""Write what finished studies found, and pictures of it, into the README and docs/.

Of the default study, and of that of the published scores: of those that are finished. The README
gets it in three lines, `docs/findings.md` in full.

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
# The answer, and what it was seen in: the first sentences of the published scores.
ANSWERING = 2
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
    replaced, number = block.subn(lambda found: f"{found[1]}\n{lines}\n\n{found[2]}", text)
    if number != 1:
        raise ValueError(f"the comments around the {name} are gone; put them back.")
    return replaced


def in_full(summary: str) -> str:
    """A summary without its heading and its table."""
    parts = summary.partition("\n\n")[2].split("\n\n")
    # The table is long, and the paragraph after it explains it.
    return "\n\n".join(part for part in parts if not part.startswith(("|", "Changes are")))


def in_short(summary: str) -> str:
    """The answer of a summary with its limits, and its warning: a line each."""
    answer = summary.partition("\n\n")[2].partition("\n\n")[0].strip()
    said = dict(re.findall(r"^- \*\*(.+?):\*\* (.+)$", summary, flags=re.MULTILINE))
    lines = [f"- **The default study.** {answer} *Limits:* {said['What cannot be concluded']}"]
    # A summary warns only where there is something to warn of.
    lines += [f"- **Warning.** {said['Warning']}"] if "Warning" in said else []
    return "\n".join(lines)


def published_in_short(paragraph: str) -> str:
    """The answer of the published scores and what stands against it, in one line.

    Parameters
    ----------
    paragraph
        As `published_scores.analysis_words.paragraph` writes it: its first sentence is the answer,
        and one begins with "Against it stands that".
    """
    sentences = re.split(r"(?<=\.) (?=[A-Z])", paragraph)
    against = [text for text in sentences if text.startswith("Against it stands that")]
    return f"- **The paper's own scores.** {' '.join([*sentences[:ANSWERING], *against])}"


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
    readme, findings = ROOT / "README.md", ROOT / "docs" / "findings.md"
    if "fashion_mnist" in finished:
        summary = (RESULTS / "fashion_mnist" / "summary.md").read_text(encoding="utf-8")
        rewrite(readme, {"findings": in_short(summary)})
        rewrite(findings, {"findings": in_full(summary).rstrip()})
    if "published_scores" in finished:
        page = (RESULTS / "published_scores" / "published_scores.md").read_text(encoding="utf-8")
        _, _, said = page.partition("\n\n")
        paragraph = said.partition("\n\n")[0]
        rewrite(readme, {"published findings": published_in_short(paragraph)})
        rewrite(findings, {"published findings": paragraph})
        lower = said.replace("\n## ", "\n### ").rstrip()
        rewrite(ROOT / "docs" / "published_scores.md", {"found": lower})
    print(f"findings of: {', '.join(finished) or 'no study, because none is finished'}")


if __name__ == "__main__":
    main()
