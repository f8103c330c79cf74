"""List the declarations of all tables, by name and by path.

Every new table must be added here: `docs/artifacts.md` and `verification` use this list.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from prunescope.compact.cost_tables import COMPACTION, COSTS, SIZES
from prunescope.data.copies.copy_table import COPIES
from prunescope.data.image_tables import INDEX, REPORT
from prunescope.evaluate.network_tables import ACCOUNTING, PREDICTIONS
from prunescope.foundation.tables import Table
from prunescope.interpret.given.given_scores import GIVEN_NETWORKS, GIVEN_UNITS
from prunescope.interpret.trivial_units import TRIVIAL_UNITS
from prunescope.interpret.unit_tables import (
    ABLATION,
    ALIGNMENT,
    EXEMPLARS,
    EXEMPLARS_ELSEWHERE,
    MEASURES,
    MIS,
    VARIANTS,
)
from prunescope.prune.group_tables import CHANNEL_GROUPS
from prunescope.summarize.image_counts import COUNTS
from prunescope.summarize.matching.matched_tables import EQUAL_ACCURACY, UNMATCHED
from prunescope.summarize.published_scores.analysis_rows import ANALYSIS
from prunescope.summarize.removal.removal_tables import UNITS_PRUNED
from prunescope.summarize.study_tables import (
    CLASSES,
    DISAGREEMENTS,
    HISTORIES,
    LAYERS,
    NETWORKS,
    PUBLISHED,
    STATISTICS,
    STUDY_COSTS,
    STUDY_SIZES,
    UNITS,
)
from prunescope.train.history_table import HISTORY
from prunescope.train.mask_updates.updates import MASK_UPDATES

ALL_TABLES: Mapping[str, Table] = {
    "index": INDEX,
    "report": REPORT,
    "copies": COPIES,
    "history": HISTORY,
    "mask_updates": MASK_UPDATES,
    "accounting": ACCOUNTING,
    "predictions": PREDICTIONS,
    "exemplars": EXEMPLARS,
    "exemplars_elsewhere": EXEMPLARS_ELSEWHERE,
    "mis": MIS,
    "measures": MEASURES,
    "alignment": ALIGNMENT,
    "variants": VARIANTS,
    "ablation": ABLATION,
    "compaction": COMPACTION,
    "sizes": SIZES,
    "costs": COSTS,
    "given_units": GIVEN_UNITS,
    "given_networks": GIVEN_NETWORKS,
    "images": COUNTS,
    "networks": NETWORKS,
    "units": UNITS,
    "trivial_units": TRIVIAL_UNITS,
    "layers": LAYERS,
    "channel_groups": CHANNEL_GROUPS,
    "units_pruned": UNITS_PRUNED,
    "study_sizes": STUDY_SIZES,
    "study_costs": STUDY_COSTS,
    "disagreements": DISAGREEMENTS,
    "classes": CLASSES,
    "histories": HISTORIES,
    "statistics": STATISTICS,
    "published": PUBLISHED,
    "published_analysis": ANALYSIS,
    "equal_accuracy": EQUAL_ACCURACY,
    "unmatched": UNMATCHED,
}


def table_of(path: str | Path) -> Table | None:
    """The table whose files have paths like `path`; None if there is none."""
    for table in ALL_TABLES.values():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(table.path))
        if re.fullmatch(pattern, Path(path).as_posix()):
            return table
    return None
