"""Measure how fast the study is: writes results/benchmarks/summary.json, tables and charts.

python -m benchmarks.run [--only KEY ...] [--whole-runs N] [--docs]

Each number is a ratio of times that were taken in turns, or a time in seconds. docs/performance.md
explains them.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import altair as alt
import polars as pl
import torch

from benchmarks import (
    evaluation_input,
    exemplar_pass,
    growth,
    scoring,
    training,
    training_input,
    whole_runs,
    workflow,
)
from benchmarks.common import FOLDER, PAIRS, ROOT, Material, about
from prunescope.foundation.errors import InputError
from prunescope.study.run import fork_server
from prunescope.study.run.environment import tune

WHOLE_RUNS = ("whole_run_minutes", "workflow_overhead", "largest_job_mib")
MODULES: dict[ModuleType, tuple[str, ...]] = {
    scoring: ("mis_vs_per_unit_loop", "mis_seconds_per_network"),
    exemplar_pass: ("exemplar_pass_vs_forward", "extremes_vs_argsort", "peak_memory_ratio"),
    training: (
        "masked_step_vs_plain_step",
        "masked_step_vs_torch_prune",
        "masked_step_vs_compact_step",
        "torch_prune_vs_compact_step",
        "masked_step_vs_compact_step_of_connections",
    ),
    evaluation_input: ("packed_vs_jpeg_evaluation",),
    training_input: ("copies_vs_original_files",),
    workflow: ("noop_seconds", "dag_10k_seconds"),
    # Takes two hours.
    whole_runs: WHOLE_RUNS,
}
KEYS = [key for keys in MODULES.values() for key in keys]
GROWTH = "growth"
# The width of the chart in pixels.
WIDTH = 480
SUMMARY = FOLDER / "summary.json"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- numbers: begin -->\n", "<!-- numbers: end -->\n"


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def number(value: float, unit: str) -> str:
    text = f"{value:.3g}" if value < 100 else f"{value:.0f}"
    return text if unit == "ratio" else f"{text} {unit}"


def table(summary: dict[str, Any]) -> str:
    """The numbers as a Markdown table, and below it the machines they were taken on."""
    lines = [
        "| Key | Median | Range | Target | Met | What |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for key in KEYS:
        if (entry := summary.get(key)) is None:
            continue
        unit, samples = entry["unit"], entry["samples"]
        lines.append(
            f"| `{key}` | {number(entry['value'], unit)} | {number(min(samples), unit)} to "
            f"{number(max(samples), unit)}, n = {len(samples)} | {entry['target_is']} "
            f"{number(entry['target'], unit)} | {'yes' if entry['met'] else '**no**'} | "
            f"{entry['what']} |"
        )
    taken = sorted(
        {
            f"{entry['date']}, commit {entry['commit'][:10]}"
            f"{' with changes' if entry['uncommitted_changes'] else ''}, "
            f"{entry['machine']['cores']} cores of {entry['machine']['processor']}, "
            f"{entry['machine']['memory_gib']} GiB, Python {entry['versions']['python']}, "
            f"torch {entry['versions']['torch']}, Snakemake {entry['versions']['snakemake']}"
            for entry in summary.values()
        }
    )
    return "\n".join([*lines, "", *(f"Taken on {line}." for line in taken), ""])


def chart(summary: dict[str, Any]) -> alt.LayerChart:
    """Every number as a share of its target. Left of the line, the target is met."""
    rows = pl.DataFrame(
        [
            {
                "key": key,
                "share": sample / entry["target"] if entry["target_is"] == "at most"
                else entry["target"] / sample,
                "kind": kind,
                "met": "met" if entry["met"] else "missed",
                "label": f"{number(entry['value'], entry['unit'])} ({entry['target_is']} "
                f"{number(entry['target'], entry['unit'])})",
            }
            for key, entry in summary.items()
            for kind, samples in (("sample", entry["samples"]), ("median", [entry["value"]]))
            for sample in samples
        ]
    )  # fmt: skip
    y = alt.Y("key:N").sort(KEYS).title(None).axis(labelLimit=300)
    x = alt.X("share:Q").scale(type="log").title("share of what the target allows (log)")
    color = alt.Color("met:N", legend=alt.Legend(orient="bottom")).title(None).scale(
        domain=["met", "missed"], range=["#1b7f79", "#c4452f"]
    )  # fmt: skip
    base = alt.Chart(rows).encode(x, y, color)
    samples = base.transform_filter("datum.kind == 'sample'").mark_tick(opacity=0.5)
    medians = base.transform_filter("datum.kind == 'median'").mark_point(filled=True, size=70)
    labels = medians.mark_text(align="left", fontSize=10).encode(
        x=alt.value(WIDTH + 8), text="label:N"
    )
    limit = alt.Chart(pl.DataFrame({"share": [1.0]})).mark_rule(strokeDash=[4, 3]).encode(x="share")
    return (limit + samples + medians + labels).properties(
        width=WIDTH,
        height=360,
        title=alt.Title(
            "Benchmarks against their targets",
            subtitle="dots are medians, ticks single samples; left of the dashed line a target is "
            "met",
            anchor="start",
        ),
    )


def write_into(page: str, text: str) -> str:
    """The page with `text` between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{text}{END}{after}"


def measure(wanted: list[str], material: Material) -> None:
    for module, keys in MODULES.items():
        if not set(keys) & set(wanted):
            continue
        taken_on = about()
        found = {key: one for key, one in module.run(material).items() if key in wanted}
        summary = read(SUMMARY) | {key: one.entry(taken_on) for key, one in found.items()}
        write(SUMMARY, {key: summary[key] for key in KEYS if key in summary})
        for key, measured in found.items():
            met = "met" if measured.target.met(measured.value) else "missed"
            print(f"{key}: {number(measured.value, measured.unit)} ({met})", flush=True)
    if GROWTH in wanted:
        taken_on = about()
        write(FOLDER / "growth.json", {"curves": growth.run(material), **taken_on})


def take_the_environment_of_jobs() -> None:
    """Restart this process with the environment of jobs, unless it has it already.

    Libraries read the environment when a process starts.
    """
    environment = {**os.environ, **fork_server.ONE_THREAD}
    tune(environment)
    if environment != os.environ:
        os.execve(sys.executable, sys.orig_argv, environment)


def main() -> None:
    take_the_environment_of_jobs()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[*KEYS, GROWTH], default=[*KEYS, GROWTH])
    parser.add_argument(
        "--whole-runs", type=int, metavar="N",
        help=f"make the study N times more for {', '.join(WHOLE_RUNS)} (default: {PAIRS - 1})",
    )  # fmt: skip
    parser.add_argument("--docs", action="store_true", help="write the table into the docs too")
    chosen = parser.parse_args()
    whole = not set(WHOLE_RUNS).isdisjoint(chosen.only)
    if chosen.whole_runs is None:
        chosen.whole_runs = PAIRS - 1 if whole else 0
    if chosen.whole_runs < 0:
        parser.error(f"--whole-runs: {chosen.whole_runs} is not allowed; 0 or more")
    if chosen.whole_runs and not whole:
        keys = ", ".join(WHOLE_RUNS)
        parser.error(f"--whole-runs is for {keys}: leave it out, or measure one of them too")
    torch.set_num_threads(1)
    try:
        measure(chosen.only, Material(whole_runs=chosen.whole_runs))
    except InputError as error:
        sys.exit(f"benchmark: {error}")
    summary = read(SUMMARY)
    if not summary:
        return
    text = table(summary)
    (FOLDER / "summary.md").write_text(text, encoding="utf-8")
    for kind in ("svg", "png"):
        chart(summary).save(FOLDER / f"summary.{kind}", scale_factor=2)
    if chosen.docs:
        PAGE.write_text(write_into(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")


if __name__ == "__main__":
    main()
