"""Exactly what depends on an edit is rebuilt: the table of docs/provenance.md."""

import os
import time
from collections.abc import Callable

import pytest
from workspaces import TINY, Workspace

from prunescope.summarize.charts.all_charts import CHARTS
from prunescope.summarize.charts.cost_charts import COST_CHARTS

pytestmark = pytest.mark.slow

Edit = Callable[..., None]

DRAWN = {"draw_chart": len(CHARTS)}
COST_DRAWN = {"draw_cost_chart": len(COST_CHARTS)}
COUNTED = {"count_images": 1}
COMPARED_UNITS = {"compare_removed_units": 1}
ESTIMATED = {"estimate_statistics": 1, "summarize_findings": 1, **DRAWN}
TRIVIAL = {"score_trivial_units": 1, "build_explorer": 1, "summarize_findings": 1, **DRAWN}
SUMMARY = {
    "tabulate_study": 1, "match_accuracy": 1, "build_explorer": 1, **COMPARED_UNITS, **ESTIMATED,
    **COST_DRAWN,
}  # fmt: skip
TIMED = {"measure_costs": 2, "tabulate_costs": 1, **COST_DRAWN}
COMPACTED = {"compact_network": 2, "summarize_findings": 1, **TIMED}
# Of the 9 networks, 2 are dense, 1 is untrained, 4 are pruned and retrained, 2 pruned and kept. The
# score's variants are computed of 6: the first three, and those at the rate 0.60. The 2 of these
# that were retrained are made compact.
NETWORKS_RESCORED = {"score_mis": 9, "vary_scores": 6, **SUMMARY}
RESCORED = {**NETWORKS_RESCORED, **TRIVIAL}
COMPARED = {"measure_units": 9, **RESCORED}
PROBING = {"find_exemplars": 9, **COMPARED}
# Trivial units depend on no network.
MEASURING = {
    "evaluate_network": 9, "account_network": 9, "record_activations": 6, "ablate_units": 1,
    "find_exemplars": 9, "measure_units": 9, **NETWORKS_RESCORED, **COMPACTED,
}  # fmt: skip


def measured(networks: int, varied: int, compacted: int) -> dict[str, int]:
    """What follows where some networks changed; so many are scored in variants, or compacted."""
    of_all = ("evaluate_network", "account_network", "find_exemplars", "score_mis", "measure_units")
    of_varied = ("record_activations", "vary_scores") if varied else ()
    rules = {**dict.fromkeys(of_all, networks), **dict.fromkeys(of_varied, varied), **SUMMARY}
    if compacted:
        rules |= COMPACTED | dict.fromkeys(("compact_network", "measure_costs"), compacted)
    return rules


CONFIG_EDITS = {
    "watched trainings": ("published: null", "event_files: true", {}),
    "tau": ("tau: 0.16", "tau: 0.2", RESCORED),
    "tasks": ("tasks: 5", "tasks: 4", RESCORED),
    "exemplar seed": ("ties: random, seed: 0", "ties: random, seed: 1", PROBING),
    "chart width": ("charts: {width: 420", "charts: {width: 500", {**DRAWN, **COST_DRAWN}),
    "rounds of timing": ("rounds: 15", "rounds: 16", TIMED),
    "rate of compact networks": (
        "compact: {rates: [0.60]", "compact: {rates: [0.30, 0.60]", COMPACTED,
    ),
    "resamples": ("resamples: 50", "resamples: 60", {**COMPARED_UNITS, **ESTIMATED}),
    "margin": ("margin: 0.02", "margin: 0.03", ESTIMATED),
    "accuracy that is given up": (
        "margin: 0.02", "margin: 0.02, accuracy_drops: [0.1]", {"match_accuracy": 1, **DRAWN},
    ),
    "probe size": (
        "probe: {images: 120",
        "probe: {images: 110",
        {
            "sample_split": 1, "embed_probe": 2, "compare_probe": 2, "record_activations": 6,
            **PROBING, **COUNTED,
        },
    ),
    "validation size": (
        "validation: {images: 100",
        "validation: {images: 90",
        {
            "sample_split": 1, "train_dense": 1, "initialise_network": 1, "prune_network": 6,
            "keep_pruned": 2, "retrain_network": 5, **MEASURING, **COUNTED,
        },
    ),
    "published numbers": (
        "published: null",
        "published: resources/published_results.csv",
        {"compare_published": 1, **DRAWN},
    ),
    "images of an epoch": (
        "images_per_epoch: 64", "images_per_epoch: 96",
        {
            "prune_network": 1, "retrain_network": 5, **measured(5, varied=3, compacted=2),
            **COUNTED,
        },
    ),
    "metric's image size": (
        "image_size: 64", "image_size: 48", {"embed_probe": 1, "compare_probe": 1, **COMPARED},
    ),
    "no matrix of similarities": (
        "largest_matrix_mb: 4000", "largest_matrix_mb: 0",
        COMPARED,
    ),
    "retraining steps": ("steps: 3", "steps: 4",
        {"prune_network": 1, "retrain_network": 5, **measured(5, varied=3, compacted=2)}),
    "rate at the end": (
        "rates: [0.30, 0.60]",
        "rates: [0.30, 0.60, 0.70]",
        {
            "prune_network": 3, "keep_pruned": 1, "retrain_network": 2,
            **measured(3, varied=0, compacted=0),
        },
    ),
    "rate in the middle": (
        "rates: [0.30, 0.60]",
        "rates: [0.30, 0.50, 0.60]",
        {
            # Three networks at the new rate, and the iterative one that now starts from it.
            "prune_network": 4, "keep_pruned": 1, "retrain_network": 3,
            **measured(4, varied=1, compacted=1),
        },
    ),
    "retraining removed": (
        "retraining: [none, iterative]", "retraining: [iterative]", SUMMARY,
    ),
    "downloaded weights": (
        "checkpoint: train",
        f'checkpoint: {{url: "https://example.org/net.pth", sha256: "{"0" * 64}"}}',
        {
            "fetch_checkpoint": 1, "import_checkpoint": 1, "initialise_network": 1,
            "prune_network": 6, "keep_pruned": 2, "retrain_network": 5, **MEASURING, **COUNTED,
        },
    ),
    "auxiliary heads": (
        "auxiliary_heads: false",
        "auxiliary_heads: true",
        {
            "describe_architecture": 1, "export_graph": 1, "train_dense": 1,
            "initialise_network": 1,
            "prune_network": 6, "keep_pruned": 2, "retrain_network": 5, **MEASURING,
        },
    ),
    "options of the network": (
        "options: {init_weights: false}",
        "options: {init_weights: false, dropout: 0.3}",
        {
            "describe_architecture": 1, "export_graph": 1, "train_dense": 1,
            "initialise_network": 1,
            "prune_network": 6, "keep_pruned": 2, "retrain_network": 5, **MEASURING,
        },
    ),
    "excluded layer": (
        "exclude: [conv1.conv, ",
        "exclude: [fc, conv1.conv, ",
        # The dense networks are only counted anew.
        {
            "prune_network": 6, "keep_pruned": 2, "retrain_network": 4,
            **measured(6, varied=3, compacted=2),
            "account_network": 9,
        },
    ),
    "weights that no image reaches": (
        "batch_norm: pruned", "batch_norm: pruned\n  unreached: counted",
        # The dense networks are only counted anew.
        {
            "prune_network": 6, "keep_pruned": 2, "retrain_network": 4,
            **measured(6, varied=3, compacted=2),
            "account_network": 9,
        },
    ),
    "criterion of one method": (
        "      scope: layer\n      criterion: l1",
        "      scope: layer\n      criterion: l2",
        {
            "prune_network": 4, "keep_pruned": 2, "retrain_network": 2,
            **measured(4, varied=2, compacted=1),
        },
    ),
}  # fmt: skip

MODULES = "workflow_scripts/prunescope"
PAGE = f"{MODULES}/summarize/explorer/static/app.js"
CODE_EDITS = {
    "constant in mis.py": (
        f"{MODULES}/interpret/mis.py", "return 0.5 * (1 + np", "return 0.25 * (2 + np",
        RESCORED,
    ),
    "line of counts.py": (
        f"{MODULES}/evaluate/counts.py", "else 0.0", "else 1.0",
        {
            "prune_network": 6, "keep_pruned": 2, "retrain_network": 4,
            **measured(6, varied=3, compacted=2),
            "account_network": 9,
        },
    ),
    "constant in masks.py": (
        f"{MODULES}/prune/masks.py", "if number == 0:", "if number <= 0:",
        {
            "prune_network": 6, "keep_pruned": 2, "retrain_network": 4,
            **measured(6, varied=3, compacted=2),
        },
    ),
    "line of trivial_units.py": (
        f"{MODULES}/interpret/trivial_units.py", "FOREGROUND_ABOVE = 0.1", "FOREGROUND_ABOVE = 0.2",
        {**TRIVIAL, **COST_DRAWN},  # the charts share the module that draws its levels
    ),
    "line of words.py": (
        f"{MODULES}/summarize/words.py", 'ONE_SHOT: "one-shot"', 'ONE_SHOT: "retrained once"',
        {"summarize_findings": 1, **DRAWN, **COST_DRAWN},
    ),
    "line of an operation": (
        f"{MODULES}/compact/graph/operations/weighted.py",
        "if read.sum() < 2:",
        "if read.sum() <= 1:",
        {"export_graph": 1, **COMPACTED},
    ),
    "line of timing.py": (f"{MODULES}/compact/timing.py", "WARM_UP = 3", "WARM_UP = 4", TIMED),
    "line of cost_charts.py": (
        f"{MODULES}/summarize/charts/cost_charts.py", "ROW_HEIGHT = 34", "ROW_HEIGHT = 35",
        COST_DRAWN,
    ),
    "line of a script": (
        "workflow_scripts/estimate_statistics.py",
        "estimate(study, settings)",
        "estimate(study, settings=settings)",
        ESTIMATED,
    ),
    "line of the explorer's page": (
        PAGE, '"use strict";', '"use strict"; ',
        {"build_explorer": 1},
    ),
    "comment in mis.py": (
        f"{MODULES}/interpret/mis.py", "return 0.5 * (1 + np", "# a note\n    return 0.5 * (1 + np",
        {},
    ),
    "docstring in masks.py": (
        f"{MODULES}/prune/masks.py", "three independent choices:", "three choices:", {},
    ),
    "comment in the config": (TINY, "study: tiny", "study: tiny  # a note", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIG_EDITS)
def test_a_config_edit_reruns_what_uses_the_key(finished: Workspace, edit: Edit, name: str) -> None:
    old, new, expected = CONFIG_EDITS[name]
    edit(finished.path(TINY), old, new)
    # The report has a page that shows the whole config.
    assert finished.stale() == {**expected, "describe_config": 1}


@pytest.mark.parametrize("name", CODE_EDITS)
def test_a_code_edit_reruns_what_imports_it(finished: Workspace, edit: Edit, name: str) -> None:
    path, old, new, expected = CODE_EDITS[name]
    edit(finished.path(path), old, new)
    assert finished.stale() == expected


def test_code_of_all_steps_reruns_all_but_downloads(
    finished: Workspace, blank: Workspace, edit: Edit
) -> None:
    """Snakemake must not stop at a download that it would do again."""
    edit(
        finished.path(f"{MODULES}/foundation/whole_files.py"),
        "touch(exist_ok=False)",
        "touch(0o666, exist_ok=False)",
    )
    everything = blank.stale()
    assert everything.pop("fetch_fashion_mnist") == 1
    assert finished.stale() == everything


@pytest.mark.parametrize(
    "path",
    [
        "workflow_scripts/score_mis.py",
        PAGE,
        TINY,
    ],
)
def test_a_touched_file_reruns_nothing(finished: Workspace, path: str) -> None:
    touched = finished.path(path)
    status = touched.stat()
    later = time.time_ns() + 10**9
    os.utime(touched, ns=(later, later))
    try:
        assert finished.stale() == {}
    finally:
        os.utime(touched, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_deleted_table_is_made_again_with_what_follows(finished: Workspace) -> None:
    table = finished.path("results/tiny/tables/networks.parquet")
    hidden = table.with_suffix(".hidden")
    table.rename(hidden)
    try:
        assert finished.stale() == SUMMARY
    finally:
        hidden.rename(table)
