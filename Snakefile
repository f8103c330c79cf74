# prunescope: what pruning does to a network's accuracy and to the interpretability of its units.
#   data -> networks -> prune -> train -> {evaluate, interpret, compact} -> summarize
from snakemake.utils import min_version

min_version("9.27")


# A config named on the command line is a whole study: it replaces the default one.
if not workflow.overwrite_configfiles:

    configfile: "config.yaml"


report: "rules/report/workflow.rst"


include: "rules/common.smk"


# A study of given scores has no rules that need networks or images.
if STUDY.has_networks:

    include: "rules/common_networks.smk"
    include: "rules/data.smk"
    include: "rules/networks.smk"
    include: "rules/prune.smk"
    include: "rules/train.smk"
    include: "rules/evaluate.smk"
    include: "rules/interpret.smk"
    include: "rules/compact.smk"
    include: "rules/gather.smk"

else:

    include: "rules/unit_scores.smk"

    if not STUDY.reads_tables:

        include: "rules/published_scores.smk"


include: "rules/summarize.smk"
include: "rules/study.smk"


# A dry run needs neither images nor optional packages. A real run stops before its first job if
# one is missing. Snakemake processes that run single jobs skip this.
if workflow.output_settings.dryrun:
    for reason in MISSING:
        logger.warning(f"This is only a plan: {reason}")


onstart:
    snakemake_hooks.stop_if_missing(workflow.dag.needrun_jobs(), MISSING)
    snakemake_hooks.stop_if_unwritable(workflow.dag.needrun_jobs())
    snakemake_hooks.stop_at_placeholders(workflow.dag.needrun_jobs())
    snakemake_hooks.name_jobs_of_run(workflow, STUDY.name)
    snakemake_hooks.try_again_what_was_interrupted(workflow)
    snakemake_hooks.share_imports(workflow, workflow.dag.needrun_jobs())
    progress_hooks.show_progress(workflow, STUDY, PATHS.logs_to_verify)


onsuccess:
    progress_hooks.end_progress(workflow)
    snakemake_hooks.show_summary(workflow.dag.jobs)


rule all:
    default_target: True
    input:
        collect(f"{TABLES}/{{table}}.parquet", table=STUDY.tables, study=STUDY.name),
        collect(
            f"{CHART_FOLDER}/{{chart}}.{{format}}",
            chart=[*CHART_NAMES, *COST_CHART_NAMES],
            format=["html", "svg", "png", "json", "txt"],
            study=STUDY.name,
        ),
        collect(
            [EXPLORER, EXPLORER_IN_REPORT],
            study=[STUDY.name] if STUDY.has_explorer else [],
        ),
        collect([SUMMARY, f"{PAGES}/configuration.html"], study=STUDY.name),
        collect(PUBLISHED_RESULTS, study=STUDY.name),
