"""Share results between workflows (`--cache`) by the content of images, and with their manifests.

Snakemake's key of a shared result covers params and input files. Image files are neither, so that
two folders with the same names, sizes and dates would share a network. Their content becomes part
of the key here. A result that comes from the cache had no job that could write the manifest beside
its log: the manifest lies in the cache too. Written for Snakemake 9.27: newer versions may rename
what is used here.
"""

import hashlib
import uuid
from functools import cache
from pathlib import Path
from typing import Any

from snakemake.caching.hash import ProvenanceHashMap
from snakemake.caching.local import OutputFileCache

from prunescope.data.class_folders import TRAIN, VALIDATION
from prunescope.data.file_names import unreachable
from prunescope.data.watching import folder_digests
from prunescope.foundation import provenance, whole_files
from prunescope.study.run.own_jobs import rule_of

RULE_THAT_LISTS = "index_images"


class _Hashes(ProvenanceHashMap):
    """The keys of shared results."""

    async def _get_provenance_hash(self, job: Any) -> str:
        own: str = await super()._get_provenance_hash(job)
        if rule_of(job) != RULE_THAT_LISTS:
            return own
        return hashlib.sha256(f"{own} {_content(job.params.folder)}".encode()).hexdigest()


class _Cache(OutputFileCache):
    """Shared results with their manifests. Jobs of other workflows have none."""

    def __init__(self) -> None:
        super().__init__()
        self.provenance_hash_map = _Hashes()

    async def exists(self, job: Any) -> bool:
        if rule_of(job) is None:
            return bool(await super().exists(job))
        return bool(await self._checksums(job)) and bool(await super().exists(job))

    async def fetch(self, job: Any) -> None:
        """Link a shared result, and write its manifest as if the job had made it."""
        if rule_of(job) is None:
            await super().fetch(job)
            return
        checksums = await self._checksums(job)
        if not checksums:
            self.raise_cache_miss_exception(job)
        await super().fetch(job)
        description = whole_files.load_description(await self._manifest(job))
        own = {
            "wildcards": dict(job.wildcards.items()),
            "input": sorted(map(str, job.input)),
            provenance.MADE_AS: description.get("wildcards"),
        }
        files = await self.get_outputfiles_and_cachefiles(job)
        whole_files.save_checksums(
            {str(path): checksums[cached.name] for path, cached in files},
            f"{job.log[0]}.sha256",
            description | own,
        )

    async def store(self, job: Any) -> None:
        """Move what a job made into the cache, and then its manifest."""
        if rule_of(job) is None:
            await super().store(job)
            return
        written = f"{job.log[0]}.sha256"
        checksums = whole_files.load_checksums(written)
        await super().store(job)
        files = await self.get_outputfiles_and_cachefiles(job)
        whole_files.save_checksums(
            {cached.name: checksums[str(path)] for path, cached in files},
            await self._manifest(job),
            whole_files.load_description(written),
        )

    async def _checksums(self, job: Any) -> dict[str, str]:
        """The checksums of shared files by their names; empty if one is not listed."""
        manifest = await self._manifest(job)
        found = whole_files.load_checksums(manifest) if manifest.is_file() else {}
        files = await self.get_outputfiles_and_cachefiles(job)
        return found if all(cached.name in found for _, cached in files) else {}

    async def _manifest(self, job: Any) -> Path:
        key = await self.provenance_hash_map.get_provenance_hash(job)
        return Path(self.path) / f"{key}.sha256"


def share_by_content() -> None:
    """Let Snakemake share results by the content of images, from now on."""
    from snakemake import workflow  # a circle of imports, unless Snakemake was started

    workflow.LocalOutputFileCache = _Cache


@cache
def _content(folder: str) -> str:
    """What stands for the images of a folder in keys; where they are not there, nothing else."""
    if any(unreachable(Path(folder) / split) for split in (TRAIN, VALIDATION)):
        return uuid.uuid4().hex
    return folder_digests.of_content(Path(folder))
