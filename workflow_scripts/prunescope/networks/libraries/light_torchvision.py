"""Import a network of torchvision without the rest of torchvision, which is slow to import.

`import torchvision` loads its detection operators and, through them, torch's compiler. In every
job this takes as long as `import torch` itself, and many networks need none of it. While the file
that defines such a network is imported, empty packages stand in for `torchvision` and
`torchvision.models`. They are removed afterwards, so a later `import torchvision` works as usual.
"""

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = "torchvision"
# The files of `torchvision.models` that need no operators of torchvision. Their names are written
# out, so that it can be told which code a job runs.
LIGHT: Mapping[str, Callable[[], types.ModuleType]] = {
    "alexnet": lambda: importlib.import_module("torchvision.models.alexnet"),
    "densenet": lambda: importlib.import_module("torchvision.models.densenet"),
    "googlenet": lambda: importlib.import_module("torchvision.models.googlenet"),
    "inception": lambda: importlib.import_module("torchvision.models.inception"),
    "mnasnet": lambda: importlib.import_module("torchvision.models.mnasnet"),
    "resnet": lambda: importlib.import_module("torchvision.models.resnet"),
    "shufflenetv2": lambda: importlib.import_module("torchvision.models.shufflenetv2"),
    "squeezenet": lambda: importlib.import_module("torchvision.models.squeezenet"),
    "vgg": lambda: importlib.import_module("torchvision.models.vgg"),
}


def constructor(file: str, name: str) -> Callable[..., Any]:
    """torchvision's function `name`, which makes a network.

    Parameters
    ----------
    file
        The file of `torchvision.models` that defines it.
    name
        The name of the function.
    """
    if file not in LIGHT:
        return vars(importlib.import_module("torchvision.models"))[name]
    if ROOT in sys.modules:
        return vars(LIGHT[file]())[name]
    with _empty_packages():
        return vars(LIGHT[file]())[name]


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
