"""torchvision's GoogLeNet without the rest of torchvision.

`import torchvision` loads its detection operators, and with them torch's compiler: as much
time again as `import torch` takes, in every job of the workflow. The file that defines
GoogLeNet needs none of it. So the two packages above it are stood in for, while it is
imported, by empty ones of the same path; they are gone afterwards, and a later
`import torchvision` finds things as they always are.
"""

import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = "torchvision"


def import_googlenet() -> types.ModuleType:
    """Return the module `torchvision.models.googlenet`, as installed and unchanged."""
    if ROOT in sys.modules:
        return importlib.import_module("torchvision.models.googlenet")
    with _empty_packages():
        return importlib.import_module("torchvision.models.googlenet")


@contextmanager
def _empty_packages() -> Iterator[None]:
    spec = importlib.util.find_spec(ROOT)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("torchvision is not installed", name=ROOT)
    folder = Path(spec.origin).parent
    for name, path in ((ROOT, folder), (f"{ROOT}.models", folder / "models")):
        package = types.ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package
    try:
        yield
    finally:
        for name in [key for key in sys.modules if key == ROOT or key.startswith(f"{ROOT}.")]:
            del sys.modules[name]
