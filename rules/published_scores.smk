# The scores of units that von Rad & Seuffert published: fetched, read, and what they say.
from snakemake.exceptions import WorkflowError

from prunescope.foundation.errors import InputError
from prunescope.interpret.published_scores.files import (
    published_files,
    scores_for_study,
)

PUBLISHED_ANALYSIS = f"{TABLES}/published_analysis.parquet"
PUBLISHED_PAGE = "results/{study}/published_scores.md"
PUBLISHED_CHART = f"{CHART_FOLDER}/published_scores"
# What a study of these scores makes beside the usual tables and charts.
PUBLISHED_RESULTS = [
    PUBLISHED_ANALYSIS,
    PUBLISHED_PAGE,
    *(
        f"{PUBLISHED_CHART}.{format}"
        for format in ("html", "svg", "png", "json", "txt")
    ),
]


def published_score_files(wildcards):
    """The files of all networks: in the folder of the user, or fetched."""
    folder = config["unit_scores"]["folder"]
    try:
        return scores_for_study(folder, f"{DOWNLOADS}/published_scores")
    except InputError as error:
        raise WorkflowError(str(error)) from error


rule fetch:
    input:
        published_score_files,


rule fetch_published_scores:
    output:
        # `update` keeps an existing file, and the job leaves a correct one unchanged: a user
        # without a network may have put it there.
        scores=update(f"{DOWNLOADS}/published_scores/{{scores}}"),
    log:
        "results/logs/downloads/{scores}.log",
    wildcard_constraints:
        scores=one_of([file.name for file in published_files()]),
    retries: 2
    localrule: True
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=unwatched(code_of("fetch_published_scores.py")),
        file="{scores}",
    script:
        "../workflow_scripts/fetch_published_scores.py"


rule read_published_scores:
    input:
        # Their content is fixed by checksums: a new date, or another place, changes nothing.
        scores=ancient(published_score_files),
        published=config["published"] or [],
    output:
        units=f"{GIVEN}/units.parquet",
        networks=f"{GIVEN}/networks.parquet",
    log:
        "results/logs/{study}/read_published_scores.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_of("read_published_scores.py"),
    script:
        "../workflow_scripts/read_published_scores.py"


rule analyse_published_scores:
    input:
        units=f"{GIVEN}/units.parquet",
        networks=f"{GIVEN}/networks.parquet",
        published=config["published"] or [],
    output:
        analysis=PUBLISHED_ANALYSIS,
        page=report(
            PUBLISHED_PAGE,
            caption="report/published_scores.rst",
            category="Published scores",
            labels={"chart": "what the published scores say (text and tables)"},
        ),
    log:
        "results/logs/{study}/analyse_published_scores.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_of("analyse_published_scores.py"),
        margin=lookup("statistics/margin", within=config),
    script:
        "../workflow_scripts/analyse_published_scores.py"


rule draw_published_scores:
    input:
        analysis=PUBLISHED_ANALYSIS,
    output:
        html=report(
            f"{PUBLISHED_CHART}.html",
            caption="report/chart.rst",
            category="Published scores",
            labels={"chart": "published scores, by how dead units are read"},
        ),
        svg=report(
            f"{PUBLISHED_CHART}.svg",
            caption="report/chart.rst",
            category="Published scores",
            labels={"chart": "published scores, by how dead units are read (picture)"},
        ),
        png=f"{PUBLISHED_CHART}.png",
        json=f"{PUBLISHED_CHART}.json",
        caption=f"{PUBLISHED_CHART}.txt",
    log:
        "results/logs/{study}/draw_published_scores.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        code=code_of("draw_published_scores.py"),
        margin=lookup("statistics/margin", within=config),
        charts=lookup("charts", within=config),
    script:
        "../workflow_scripts/draw_published_scores.py"
