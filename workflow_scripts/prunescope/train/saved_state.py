"""Save the state of a training, so that an interrupted training can continue.

A saved state is a safetensors file beside the network file. It is not an output of the rule,
because Snakemake removes the outputs of a failed job. The name of the file contains a fingerprint
of everything that the training depends on. So a training never continues from the state of another
recipe, and this state is still there if the other recipe is used again. The previous saved state is
kept too: if the last one is damaged, only a few minutes of training are lost.

A lease beside the saved state names the job that trains (`prunescope.foundation.lease`).
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
# Of larger files, only the first and the last `END` bytes are hashed.
WHOLE_BELOW = 2**28
END = 2**20

Tensors = Mapping[str, np.ndarray]
Values = Mapping[str, Any]


def fingerprint_of(path: str | Path) -> str:
    """SHA-256 of a file's size and content; for 256 MiB and more, of its size and both ends."""
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
    """The files with the saved state of one training.

    Attributes
    ----------
    folder
        The network's folder.
    settings
        All that the training depends on except its inputs (code, recipe, seed and so on), as
        values for JSON.
    inputs
        The files that the training reads.
    every_seconds
        Seconds between two saves.
    """

    folder: Path
    settings: Mapping[str, Any]
    inputs: tuple[str, ...]
    every_seconds: float

    @cached_property
    def fingerprint(self) -> dict[str, str]:
        """SHA-256 of each setting by its name, and of each input by its path."""
        settings = {
            name: hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
            for name, value in self.settings.items()
        }
        return settings | {path: fingerprint_of(path) for path in self.inputs}

    @cached_property
    def path(self) -> Path:
        """The file with the last saved state, `training.<fingerprint>.safetensors`."""
        text = json.dumps(self.fingerprint, sort_keys=True)
        return (
            self.folder / f"training.{hashlib.sha256(text.encode()).hexdigest()[:12]}.safetensors"
        )

    @property
    def exists(self) -> bool:
        """Whether there is a saved state of this training."""
        return self.path.exists()

    @property
    def previous(self) -> Path:
        """The file with the previous saved state."""
        return self.path.with_suffix(".previous.safetensors")

    @cached_property
    def lease(self) -> Lease:
        """The lease that names the job that trains the network."""
        return Lease(self.folder / "training.lease")

    def save(self, tensors: Tensors, values: Values) -> None:
        """Save a state atomically. The last saved state becomes the previous one.

        Parameters
        ----------
        tensors
            Arrays by name.
        values
            Values for JSON.
        """
        header: dict[str, Any] = {"fingerprint": self.fingerprint, "values": values}
        header["digest"] = _digest(tensors, header)
        content = to_bytes(dict(tensors), {KEY: json.dumps(header, sort_keys=True)})
        with whole_files.atomic(self.path) as temporary:
            temporary.write_bytes(content)
            # Flush before the last state is renamed, so that the time without one is short.
            whole_files.flush(temporary)
            # A superseded job may rename the file at the same moment.
            with contextlib.suppress(FileNotFoundError):
                self.path.replace(self.previous)

    def load(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Read the last intact state of this training.

        States that are not used are logged with the reason.

        Returns
        -------
        tuple or None
            The tensors and values as given to `save`; None if there is no usable state.
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
        """Delete the lease and all saved states of this network, after its training has ended."""
        self.lease.release()
        # Names that begin with a dot are temporary files of killed jobs.
        for name in ("training.*.safetensors", ".training.*"):
            for path in self.folder.glob(name):
                path.unlink(missing_ok=True)

    def stop_if_late(self) -> None:
        """Stop this job if another job trains the network or has trained it.

        If the other job has finished, the states that this job has saved since are deleted.

        Raises
        ------
        SupersededError
            Another job trains the network or has trained it.
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
