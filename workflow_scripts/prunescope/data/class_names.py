"""Find names of classes that look alike but are not the same."""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import reduce
from pathlib import Path

from prunescope.data.file_names import is_utf8, shown
from prunescope.foundation.errors import InputError

Ways = Mapping[str, Callable[[str], str]]


def _without_invisible(name: str) -> str:
    return "".join(sign for sign in name if unicodedata.category(sign) not in ("Cc", "Cf"))


# In what two names may differ without a difference that is seen, and what takes it away.
UNSEEN: Ways = {
    "how accents are encoded": lambda name: unicodedata.normalize("NFC", name),
    "blanks": lambda name: " ".join(name.split()),
    "invisible characters": _without_invisible,
}
# Some file systems do not tell these apart.
UNSEEN_OR_CASE: Ways = {**UNSEEN, "upper and lower case": str.casefold}


def check_names(path: Path, names: Iterable[str]) -> None:
    """Check the names of the class folders in `path`.

    Raises
    ------
    InputError
        A name is not UTF-8, or two names look the same.
    """
    classes = list(names)
    other = [name for name in classes if not is_utf8(name)]
    if other:
        raise InputError(
            f"{shown(path)}: {len(other)} class folders have names that are not UTF-8, the first "
            f"is {shown(other[0])}. Rename them."
        )
    alike = next(look_alikes(classes, UNSEEN), None)
    if alike is not None:
        raise InputError(
            f"{shown(path)}: two class folders look alike: {difference(*alike, UNSEEN)}. "
            "Put their images into one folder, or rename one of them."
        )


def look_alikes(names: Iterable[str], ways: Ways) -> Iterator[tuple[str, str]]:
    """Pairs of names that are the same once `ways` have taken their differences away."""
    seen: dict[str, str] = {}
    for name in sorted(names):
        key = reduce(lambda text, way: way(text), ways.values(), name)
        if key in seen:
            yield seen[key], name
        seen[key] = name


def difference(first: str, second: str, ways: Ways) -> str:
    """Both names with all that cannot be seen, and in what they differ."""
    alone = [word for word, way in ways.items() if way(first) == way(second)]
    each = [word for word, way in ways.items() if (way(first), way(second)) != (first, second)]
    return f"{first!a} and {second!a} differ in {' and '.join(alone[:1] or each)} only"
