"""Side checkpoints: the state of a training that was cut off, to go on from.

They lie beside the network under names of their own, since Snakemake removes the outputs of a
failed job. A file holds tensors and values, no code. It is named after a fingerprint of what
the training depends on, so that the state of another recipe is never mistaken for this one's
and is still there when that recipe comes back. The file before the last one is kept too: a
write that was cut off, or a damaged disk, costs a few minutes, not the training.

A lease beside it names the job that trains (`prunescope.lease`).
"""

import contextlib
import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from prunescope.foundation import whole_files
from prunescope.foundation.lease import Lease

log = logging.getLogger("prunescope")

KEY = "training"
# Of large arrays only the ends are hashed.
WHOLE_BELOW = 2**28
END = 2**20

Tensors = Mapping[str, np.ndarray]
Values = Mapping[str, Any]


def fingerprint_of(path: str | Path) -> str:
    """SHA-256 of a file's content; of files above 256 MiB, of their size and both ends."""
    size = Path(path).stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with Path(path).open("rb") as file:
        if size < WHOLE_BELOW:
            digest.update(file.read())
        else:
            digest.update(file.read(END))
            file.seek(-END, 2)
            digest.update(file.read())
    return digest.hexdigest()


@dataclass(frozen=True)
class SavedState:
    """Where the state of one training is kept.

    Attributes
    ----------
    folder
        The network's folder.
    settings
        What the training depends on besides its inputs: code, recipe, seed and so on, as JSON.
    inputs
        The files it reads.
    every_seconds
        How often it is saved.
    """

    folder: Path
    settings: Mapping[str, Any]
    inputs: tuple[str, ...]
    every_seconds: float

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """A digest of each setting and of each input, by name."""
        settings = {
            name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
            for name, value in self.settings.items()
        }
        return settings | {path: fingerprint_of(path) for path in self.inputs}

    @cached_property
    def path(self) -> Path:
        """The file of this training, `training.<fingerprint>.safetensors`."""
        text = json.dumps(self.fingerprint, sort_keys=True)
        return (
            self.folder / f"training.{hashlib.sha256(text.encode()).hexdigest()[:12]}.safetensors"
        )

    @property
    def exists(self) -> bool:
        """Whether there is a state of this training."""
        return self.path.exists()

    @property
    def previous(self) -> Path:
        """The file before the last one."""
        return self.path.with_suffix(".previous.safetensors")

    @cached_property
    def lease(self) -> Lease:
        """Names the job that trains the network."""
        return Lease(self.folder / "training.lease")

    def save(self, tensors: Tensors, values: Values) -> None:
        """Write the state, whole or not at all; the last one becomes the one before."""
        header: dict[str, Any] = {"fingerprint": self.fingerprint, "values": values}
        header["digest"] = _digest(tensors, header)
        content = to_bytes(dict(tensors), {KEY: json.dumps(header, sort_keys=True)})
        with whole_files.atomic(self.path) as temporary:
            temporary.write_bytes(content)
            # Now, not after the move, so that the time without a last state is short.
            whole_files.flush(temporary)
            # A late owner may move it at the same moment.
            with contextlib.suppress(FileNotFoundError):
                self.path.replace(self.previous)

    def load(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Read the last state that is whole and belongs to this training, if there is one.

        Whatever is not used is logged with the reason.
        """
        found = sorted(self.folder.glob("training.*.safetensors"))
        for path in found:
            if path not in (self.path, self.previous):
                log.warning("refused %s: the state of a training with %s", path, self._other(path))
        for path in (self.path, self.previous):
            if path not in found:
                continue
            try:
                return self._read(path)
            except ValueError as reason:
                log.warning("refused %s: %s", path, reason)
        return None

    def remove(self) -> None:
        """Delete the states of this network's trainings and the lease: it is finished."""
        self.lease.release()
        # What begins with a dot was being written when a job was killed.
        for name in ("training.*.safetensors", ".training.*"):
            for path in self.folder.glob(name):
                path.unlink(missing_ok=True)

    def stop_if_late(self) -> None:
        """Stop this job if another one trains the network, or has.

        If that one has finished, a state that this job was writing meanwhile is of no use.

        Raises
        ------
        SupersededError
            One does, or has.
        """
        if not self.lease.path.exists():
            for path in (self.path, self.previous):
                path.unlink(missing_ok=True)
        self.lease.check("trains this network")

    def _read(self, path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        header, tensors = _open(path)
        digest = header.pop("digest", None)
        if digest != _digest(tensors, header):
            raise ValueError("damaged: its content is not what was written")
        if header["fingerprint"] != self.fingerprint:
            raise ValueError(f"the state of a training with {self._different(header)}")
        log.info("going on from %s", path)
        return tensors, header["values"]

    def _other(self, path: Path) -> str:
        try:
            return self._different(_open(path)[0])
        except ValueError:
            return "unknown settings (damaged)"

    def _different(self, header: Mapping[str, Any]) -> str:
        theirs, ours = header.get("fingerprint", {}), self.fingerprint
        names = sorted(
            name for name in theirs.keys() | ours.keys() if theirs.get(name) != ours.get(name)
        )
        return f"another {', '.join(names)}"


def _open(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get(KEY, "{}"))
            return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError) as error:
        raise ValueError(f"damaged ({error})") from error


def _digest(tensors: Tensors, header: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensors[name]).data)
    return digest.hexdigest()
