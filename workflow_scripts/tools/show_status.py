"""Print how far a study is: jobs by stage, time, failures. It starts and locks nothing."""

import time
from collections import Counter
from pathlib import Path

import plan_study

from prunescope.study import remaining_work
from prunescope.study.kinds.all_kinds import study_of
from prunescope.study.paths import PathsOfResults
from prunescope.study.progress import costs_elsewhere, status, wording
from prunescope.study.progress.run_progress import PlannedJob


def main() -> None:
    config, settings = plan_study.given_config("status", __doc__)
    study = study_of(settings)
    stages = status.stages_of_rules(plan_study.ROOT / "rules")
    open_jobs = plan_study.jobs_to_run(config, settings)
    jobs = [
        PlannedJob(number, job.rule, stages[job.rule], job.target, job.log, job.threads, job.epochs)
        for number, job in enumerate(open_jobs)
    ]
    logs = PathsOfResults(study).logs_to_verify
    finished = remaining_work.finished_jobs(map(Path, logs))
    left = {job.log for job in jobs}
    done = Counter(stages[rule] for log, rule in finished if log not in left and rule in stages)
    found = status.look_at(jobs)
    total = done.total() + len(jobs)
    if jobs:
        costs = costs_elsewhere.read().of(settings) | remaining_work.read_logs(logs)
        time_left = plan_study.time_of(open_jobs, remaining_work.mean_seconds(costs))
        rest = f"{done.total():,} of {wording.count(total, 'job')} done; left: {time_left}"
    else:
        rest = "every result is there and up to date"
    print(f"{study.name}: {rest}")
    print(status.of_run(Path(".snakemake"), found.begun, time.time()))
    print("\n".join(status.lines(done, jobs, found)))


if __name__ == "__main__":
    main()
