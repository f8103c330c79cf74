"""Tell which jobs of a run are of this workflow, and of which of its rules.

Another workflow that uses this one as a module has jobs of its own, and may rename our rules. The
script of a job is named like its rule, and keeps its name.
"""

from pathlib import Path
from typing import Any

from prunescope.foundation.code_digest import SCRIPTS


def rule_of(job: Any) -> str | None:
    """The name of a job's rule in our rule files; None for rules without a script, and others'."""
    script = Path(str(job.rule.script or ""))
    known = script.parent.name == SCRIPTS.name and (SCRIPTS / script.name).is_file()
    return script.stem if known else None
