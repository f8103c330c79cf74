"""Import torchvision's GoogLeNet without the rest of torchvision, which is slow to import.

`import torchvision` loads its detection operators and, through them, torch's compiler. In every
job this takes as long as `import torch` itself, and GoogLeNet needs none of it. While the file
that defines GoogLeNet is imported, empty packages stand in for `torchvision` and
`torchvision.models`. They are removed afterwards, so a later `import torchvision` works as usual.
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
    """The installed module `torchvision.models.googlenet`, unchanged."""
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
