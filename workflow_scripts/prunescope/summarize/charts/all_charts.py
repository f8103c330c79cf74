"""List the charts of a study by the names of their files, and the groups that the report shows.

A chart is aggregated in polars first, so that its specification only holds the few rows that are
drawn. Several charts are figures of von Rad & Seuffert, arXiv 2409.19727, drawn from our own
results. If the study has published numbers, they are drawn beside its own.

Every chart needs a caption of the same name in `findings.captions` and a place in `GROUPS`.
"""

from collections.abc import Callable, Mapping

import altair as alt

from prunescope.summarize.charts import (
    accuracy_charts,
    interpretability_charts,
    sensitivity_charts,
    unit_charts,
)
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.criteria import at_accuracy, at_sparsity
from prunescope.summarize.charts.removal import removed_units_chart, survivorship_chart
from prunescope.summarize.charts.theme import ChartSettings

CHARTS: Mapping[str, Callable[[ChartData, ChartSettings], alt.TopLevelMixin]] = {
    "accuracy_without_retraining": accuracy_charts.accuracy_without_retraining,
    "accuracy_during_retraining": accuracy_charts.accuracy_during_retraining,
    "iterative_vs_one_shot": accuracy_charts.iterative_vs_one_shot,
    "accuracy_by_method": accuracy_charts.accuracy_by_method,
    "mis_by_rate": interpretability_charts.mis_by_rate,
    "mis_vs_accuracy": interpretability_charts.mis_vs_accuracy,
    "unit_change": unit_charts.unit_change,
    "mis_by_depth": unit_charts.mis_by_depth,
    "sensitivity": sensitivity_charts.sensitivity,
    "measures": unit_charts.measures,
    "removed_units": removed_units_chart.removed_units,
    "survivorship": survivorship_chart.survivorship,
    "criteria_by_sparsity": at_sparsity.criteria_by_sparsity,
    "equal_accuracy": at_accuracy.equal_accuracy,
}

# The categories of the report, and the charts in each.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "1 Accuracy": (
        "accuracy_by_method",
        "accuracy_without_retraining",
        "accuracy_during_retraining",
        "iterative_vs_one_shot",
    ),
    "2 Interpretability": (
        "mis_by_rate",
        "mis_vs_accuracy",
        "criteria_by_sparsity",
        "equal_accuracy",
    ),
    "3 Single units": ("unit_change", "mis_by_depth"),
    "4 Does the conclusion hold": ("sensitivity", "measures"),
    "5 Which units go": ("removed_units", "survivorship"),
}
