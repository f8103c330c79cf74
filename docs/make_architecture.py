"""Draw docs/images/architecture.svg from the imports, and list the folders in docs/architecture.md.

make docs
"""

import ast
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "workflow_scripts" / "prunescope"
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
BLOCK = re.compile(
    r"(<!-- folders: written by `make docs` -->\n).*?(<!-- end of folders -->\n)", re.DOTALL
)

# From the top: a folder imports from lower rows only, never from its neighbours in a row. The
# order within a row is that of the picture.
STAIRS = (
    ("study",),
    ("summarize",),
    ("compact", "train"),
    ("interpret", "evaluate", "prune"),
    ("data", "networks"),
    ("foundation",),
)

Graph = Mapping[str, set[str]]


# --- what imports what ---------------------------------------------------------------------------


def imports_of(package: Path) -> dict[str, set[str]]:
    """What each module in a folder of the library imports from such modules.

    Modules are named below the package, such as `prune.masks`. Its folders' `__init__.py` hold
    nothing, so they are left out.
    """
    files = {
        ".".join(path.relative_to(package).with_suffix("").parts): path
        for path in sorted(package.glob("*/**/*.py"))
        if path.name != "__init__.py"
    }
    prefix = f"{package.name}."
    found: dict[str, set[str]] = {}
    for module, path in files.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {name for node in ast.walk(tree) for name in _names(node)}
        own = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
        found[module] = own & files.keys() - {module}
    return found


def _names(node: ast.AST) -> Iterator[str]:
    """All that a statement or call may import: modules, and names in them."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = getattr(node.func, "attr", getattr(node.func, "id", None))
        if called in ("import_module", "__import__"):
            yield str(node.args[0].value)


def between_stages(imports: Graph) -> dict[str, set[str]]:
    """The imports between the folders that lie directly in the library."""
    found: dict[str, set[str]] = {name: set() for row in STAIRS for name in row}
    for module, imported in imports.items():
        own = module.partition(".")[0]
        found.setdefault(own, set()).update({other.partition(".")[0] for other in imported} - {own})
    return found


def reduced(graph: Graph) -> list[tuple[str, str]]:
    """The edges that no way over other nodes stands for."""

    def reach(node: str) -> set[str]:
        direct = graph.get(node, set())
        return direct | {far for other in direct for far in reach(other)}

    return [
        (node, other)
        for node in graph
        for other in sorted(graph[node])
        if not any(other in reach(between) for between in graph[node] - {other})
    ]


# --- the picture ---------------------------------------------------------------------------------

WIDTH, HEIGHT, GAP, COLUMN_GAP = 276, 104, 46, 36
# The column of each box: its left edge in boxes and the gaps between them.
COLUMNS = {
    "study": 1, "summarize": 0.5, "compact": 0, "train": 1, "interpret": 0, "evaluate": 1,
    "prune": 2, "data": 0.5, "networks": 1.5, "foundation": 1,
}  # fmt: skip
MARGIN = 16
STYLE = (
    "text{font-family:-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}"
    ".name{font-size:16px;font-weight:600}.text{font-size:12.5px;fill:#424a53}"
    ".inner{font-size:12px;fill:#0a5a9c}"
    ".box{fill:#f6f8fa;stroke:#8c959f;stroke-width:1.2}"
    ".arrow{fill:none;stroke:#57606a;stroke-width:1.6}"
)


def picture(imports: Graph, package: Path) -> str:
    """The folders as boxes, rows as in `STAIRS`, and the reduced imports as arrows."""
    places = {
        name: (MARGIN + COLUMNS[name] * (WIDTH + COLUMN_GAP), MARGIN + row * (HEIGHT + GAP))
        for row, names in enumerate(STAIRS)
        for name in names
    }
    edges = reduced(between_stages(imports))
    width = 2 * MARGIN + 3 * WIDTH + 2 * COLUMN_GAP
    height = 2 * MARGIN + len(STAIRS) * (HEIGHT + GAP) - GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{_in_words(edges)}">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" '
        'markerHeight="6" orient="auto"><path d="M0 0 8 4 0 8z" fill="#57606a"/></marker></defs>',
        f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
        *(_box(name, *places[name], package) for name in places),
        *(_arrow(edge, edges, places) for edge in edges),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _in_words(edges: Sequence[tuple[str, str]]) -> str:
    return "Imports: " + ", ".join(f"{upper} from {lower}" for upper, lower in edges)


def _box(name: str, left: float, top: float, package: Path) -> str:
    own, *others = _folders(package / name)
    inner = [folder.relative_to(own).as_posix() for folder in others]
    lines = textwrap.wrap(describe(own), 42)
    text = [
        f'<text class="name" x="{left + 12:g}" y="{top + 22:g}">{name}</text>',
        *(
            f'<text class="text" x="{left + 12:g}" y="{top + 41 + 16 * number:g}">'
            f"{escape(line)}</text>"
            for number, line in enumerate(lines)
        ),
    ]
    if inner:
        text.append(
            f'<text class="inner" x="{left + 12:g}" y="{top + HEIGHT - 10:g}">'
            f"{', '.join(inner)}</text>"
        )
    box = f'<rect class="box" x="{left:g}" y="{top:g}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
    return "\n".join([box, *text])


def _arrow(
    edge: tuple[str, str],
    edges: Sequence[tuple[str, str]],
    places: Mapping[str, tuple[float, float]],
) -> str:
    """From the lower side of a box to the upper side of another, each arrow at its own place."""
    upper, lower = edge
    leaving = sorted((places[other][0], other) for one, other in edges if one == upper)
    arriving = sorted((places[one][0], one) for one, other in edges if other == lower)
    start = places[upper][0] + _share(leaving, lower)
    end = places[lower][0] + _share(arriving, upper)
    low, high = places[upper][1] + HEIGHT, places[lower][1] - 2
    bend = GAP * 0.9
    return (
        f'<path class="arrow" marker-end="url(#head)" d="M{start:g} {low:g}'
        f'C{start:g} {low + bend:g} {end:g} {high - bend:g} {end:g} {high:g}"/>'
    )


def _share(ends: Sequence[tuple[float, str]], name: str) -> float:
    """Where the arrow to or from `name` meets a side, when `ends` share it from left to right."""
    place = [other for _, other in ends].index(name)
    return WIDTH * (place + 1) / (len(ends) + 1)


# --- the list of folders -------------------------------------------------------------------------


def describe(folder: Path) -> str:
    """The docstring of a folder."""
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    return " ".join((ast.get_docstring(tree) or "").split())


def _folders(folder: Path) -> list[Path]:
    return [folder, *sorted(path.parent for path in folder.glob("*/**/__init__.py"))]


def table(package: Path) -> str:
    """A row for each folder of the library, from the top of the stairs down."""
    rows = [
        f"| `{folder.relative_to(package)}/` | {describe(folder)} |"
        for row in STAIRS
        for name in row
        for folder in _folders(package / name)
    ]
    return "\n".join(["| Folder | Holds |", "|---|---|", *rows]) + "\n"


def insert(page: str, package: Path) -> str:
    """The page with the table in its place."""
    replaced, number = BLOCK.subn(lambda found: f"{found[1]}\n{table(package)}\n{found[2]}", page)
    if number != 1:
        raise ValueError(f"{PAGE.name}: the comments around the folders are gone; put them back.")
    return replaced


if __name__ == "__main__":
    PICTURE.write_text(picture(imports_of(PACKAGE), PACKAGE), encoding="utf-8")
    PAGE.write_text(insert(PAGE.read_text(encoding="utf-8"), PACKAGE), encoding="utf-8")
