"""The whole config of a study, and what its sections must agree on."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from prunescope.data import source
from prunescope.foundation.errors import InputError
from prunescope.interpret import mis, score_variants
from prunescope.networks import architecture, architecture_files, chosen_layers, coordinates
from prunescope.networks.architecture_files import Architecture
from prunescope.networks.description import IMAGENET_MEAN, IMAGENET_STD
from prunescope.networks.imported import known_weights
from prunescope.networks.imported.known_weights import LIBRARIES
from prunescope.prune import channel_groups, pieces, schedule
from prunescope.prune.measuring import scales
from prunescope.prune.pieces import CHANNEL_GROUP
from prunescope.study import image_needs
from prunescope.study.config.checkpoints.checkpoint import Checkpoint
from prunescope.study.config.checkpoints.imported import Imported
from prunescope.study.config.section import Problem, Section, key
from prunescope.study.config.sections.charts import Charts
from prunescope.study.config.sections.compact import Compact
from prunescope.study.config.sections.datasets import Dataset
from prunescope.study.config.sections.interpretability import (
    Interpretability,
    images_needed,
    score_problems,
)
from prunescope.study.config.sections.model import Model
from prunescope.study.config.sections.pruning import Method, Pruning
from prunescope.study.config.sections.recipes import Recipe
from prunescope.study.config.sections.retraining import Retraining
from prunescope.study.config.sections.sensitivity import Sensitivity, Variant
from prunescope.study.config.sections.statistics import RelativeMargin, Statistics
from prunescope.study.config.values import Different, InputPath, Name, Seed, suggest, unknown
from prunescope.train.recipes.recipe import COMPACT

# The key of a file that names the study which it changes. `reading`
# removes it before the rest is checked.
EXTENDS = "extends"
# Folders beside those of studies, in `results/` or in `results/logs/`, and what they hold.
TAKEN = {
    "benchmarks": "what `make benchmark` measures",
    "datasets": "the images of all studies, and their logs",
    "downloads": "the logs of downloads",
    "logs": "the logs of all studies",
    "slurm": "SLURM's own logs",
}


class StudyModel(Section):
    """A prunescope study."""

    study: Name = key(
        "the study, and its folder in `results/`",
        note=f"but not {', '.join(f'`{name}`' for name in TAKEN)}, which are other folders there",
    )
    seeds: Annotated[list[Seed], Field(min_length=1), *Different] = key(
        "every kind of network is made once for each seed"
    )
    published: InputPath | None = key(
        "published numbers to compare with: a table and curves in the charts. "
        "`resources/published_results.csv` has those of the paper; "
        "[its page](../resources/README.md) describes the columns",
        default=None,
        values="a path of a CSV table, or null",
    )
    event_files: bool = key(
        "whether trainings write event files, with which [TensorBoard shows them while they run]"
        "(training.md#watch-a-training)",
        default=False,
    )
    dataset: Name = key("the dataset that the study uses", values="a key of `datasets`")
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)] = key("the datasets")
    model: Model = key("the dense network")
    imported: dict[Name, Imported] = key(
        "networks that were pruned elsewhere", default_factory=dict
    )
    pruning: Pruning = key("what is pruned")
    retraining: dict[Name, Retraining] = key("the kinds of retraining")
    recipes: dict[Name, Recipe] = key("the ways to train")
    interpretability: Interpretability = key("how units are scored")
    compact: Compact = key("networks without what was pruned")
    sensitivity: Sensitivity = key("other ways to score")
    statistics: Statistics = key("intervals and tests")
    charts: Charts = key("size of the charts")


def problems_between(sections: Mapping[str, Any]) -> Iterator[Problem]:
    """Find what sections do not agree on.

    Parameters
    ----------
    sections
        Those values of a `StudyModel` that are valid on their own. A check runs if all its sections
        are valid, so one mistake does not hide another.
    """
    # Studies need not say it, and a section that nobody wrote is not among the valid ones.
    sections = {"imported": {}, **sections}
    for check in _CHECKS:
        needed = inspect.signature(check).parameters
        if needed.keys() <= sections.keys():
            yield from check(**{name: sections[name] for name in needed})


def _folder(study: str) -> Iterator[Problem]:
    if study in TAKEN:
        yield Problem(
            "study",
            f"{study!r} is the name of a folder that holds {TAKEN[study]}, and a study has folders "
            "of its own name in `results/` and `results/logs/`. Choose another name",
        )


def _dataset(dataset: str, datasets: Mapping[str, Dataset]) -> Iterator[Problem]:
    if dataset not in datasets:
        yield Problem("dataset", unknown(dataset, datasets))


def _checkpoints(model: Model, imported: Mapping[str, Imported]) -> dict[str, Checkpoint]:
    """The sections about weights, by their keys."""
    found = {"model.checkpoint": model.checkpoint}
    found |= {f"imported.{name}": section for name, section in imported.items()}
    return {name: section for name, section in found.items() if isinstance(section, Checkpoint)}


def _published_weights(model: Model, imported: Mapping[str, Imported]) -> Iterator[Problem]:
    for name, section in _checkpoints(model, imported).items():
        yield from _unpublished(name, section, model.architecture)


def _unpublished(name: str, section: Checkpoint, architecture_name: str) -> Iterator[Problem]:
    for library in LIBRARIES:
        given = getattr(section, library)
        known = known_weights.published(library, architecture_name)
        if given is not None and given not in known:
            yield Problem(
                f"{name}.{library}",
                f"{unknown(given, known)} These are the weights that {library} publishes of "
                f"{architecture_name}",
            )


def _normalisation(
    model: Model, imported: Mapping[str, Imported], dataset: str, datasets: Mapping[str, Dataset]
) -> Iterator[Problem]:
    if dataset not in datasets:
        return
    for name, section in _checkpoints(model, imported).items():
        if any(_unpublished(name, section, model.architecture)):
            continue
        weights = known_weights.named(model.architecture, section.weights())
        for field, needed in _needed(weights).items():
            given = getattr(datasets[dataset], field)
            if given != needed:
                why = (
                    "were trained with"
                    if weights.seen
                    else "transform their input, which takes images normalised with"
                )
                yield Problem(
                    f"datasets.{dataset}.{field}",
                    f"{given}, but the weights of `{name}` {why} {needed}",
                )


def _needed(weights: known_weights.Checkpoint) -> dict[str, Any]:
    """What is known of the images that weights need: keys of a dataset."""
    if weights.seen is not None:
        seen = weights.seen
        return {"image_size": seen.image_size, "mean": list(seen.mean), "std": list(seen.std)}
    if weights.transform_input:
        return {"mean": list(IMAGENET_MEAN), "std": list(IMAGENET_STD)}
    return {}


def _files_of_weights(model: Model, imported: Mapping[str, Imported]) -> Iterator[Problem]:
    """Downloads of one name would take each other's place."""
    places: dict[str, tuple[str, str | None]] = {}
    for name, section in _checkpoints(model, imported).items():
        if any(_unpublished(name, section, model.architecture)):
            continue
        weights = known_weights.named(model.architecture, section.weights())
        other, url = places.setdefault(weights.path, (name, weights.url))
        if url != weights.url:
            yield Problem(
                name,
                f"{weights.url} would be saved as {weights.path}, where the file of `{other}` "
                "lies. Save one of them there by yourself, under another name, and give its path "
                "as `file`",
            )


def _names_of_imported(imported: Mapping[str, Imported], pruning: Pruning) -> Iterator[Problem]:
    taken = dict.fromkeys(coordinates.NOT_PRUNED, "a network that is not pruned")
    taken |= dict.fromkeys(pruning.methods, "a pruning method")
    for name in imported:
        if name in taken:
            yield Problem(f"imported.{name}", f"`{name}` is {taken[name]}; choose another name")


def _retraining_of_imported(
    imported: Mapping[str, Imported], retraining: Mapping[str, Retraining]
) -> Iterator[Problem]:
    for name, section in imported.items():
        for kind in section.retraining:
            if kind not in retraining:
                yield Problem(f"imported.{name}.retraining", unknown(kind, retraining))
            elif not _starts_from_dense(retraining[kind]):
                yield Problem(
                    f"imported.{name}.retraining",
                    f"{kind!r} goes on from the rate before, and a network from elsewhere stands "
                    "at one rate. Choose a kind with `start: dense`",
                )


def _recipe_of_model(model: Model, recipes: Mapping[str, Recipe]) -> Iterator[Problem]:
    if model.recipe is None:
        if model.checkpoint == known_weights.TRAIN:
            yield Problem(
                "model.recipe",
                f"null, but the dense network is trained here. {suggest('', recipes)}",
            )
    elif model.recipe not in recipes:
        yield Problem("model.recipe", unknown(model.recipe, recipes))


def _starts_from_dense(kind: Retraining) -> bool:
    return schedule.load(kind.start).FROM_DENSE


def _controls(model: Model, retraining: Mapping[str, Retraining]) -> Iterator[Problem]:
    for name in model.retraining:
        if name not in retraining:
            yield Problem("model.retraining", unknown(name, retraining))
            continue
        kind = retraining[name]
        if kind.recipe is None and kind.recalibration is None:
            yield Problem(
                "model.retraining",
                f"{name!r} is no control for the dense network: it must have a recipe or a "
                "recalibration",
            )


def _rates_of_chains(
    model: Model, pruning: Pruning, retraining: Mapping[str, Retraining]
) -> Iterator[Problem]:
    for name in model.retraining:
        if name not in retraining or _starts_from_dense(retraining[name]):
            continue
        rates = {
            method: tuple(settings.rates or pruning.rates)
            for method, settings in pruning.methods.items()
            if name in settings.retraining
        }
        if len(set(rates.values())) > 1:
            listed = "; ".join(f"{method} {list(own)}" for method, own in rates.items())
            yield Problem(
                "model.retraining",
                f"{name!r} retrains a chain of dense networks as often as the pruned ones, but "
                f"methods have different rates: {listed}. Give them the same rates, or kinds of "
                "retraining of their own",
            )


def _excluded_layers(pruning: Pruning, model: Model, dataset: str) -> Iterator[Problem]:
    """Known before any work where the architecture has been described already."""
    known = _described(model, dataset)
    if known is None:
        return
    fitting = []
    for entry in pruning.exclude:
        if told := chosen_layers.problem(entry, known.layers):
            yield Problem("pruning.exclude", told)
        else:
            fitting.append(entry)
    exclude = chosen_layers.find(fitting, known.layers, "pruning.exclude")
    groups = channel_groups.find(known, exclude, pruning.batch_norm)
    for name, method in pruning.methods.items():
        if method.granularity == CHANNEL_GROUP:
            try:
                channel_groups.prunable(groups, method.layers)
            except InputError as error:
                yield Problem(f"pruning.methods.{name}.granularity", str(error))


def _described(model: Model, dataset: str) -> Architecture | None:
    """The architecture, where it has been described already: what is wrong is told before work."""
    path = Path(architecture.file_of(dataset, model.model_dump()))
    source, name = architecture.load(model.architecture)
    own = [file for root in source.files(name) for file in Path(root).parent.rglob("*.py")]
    # Layers of a user's own network may have other names by now.
    if not path.is_file() or any(file.stat().st_mtime > path.stat().st_mtime for file in own):
        return None
    try:
        return architecture_files.load(path)
    except InputError:
        # Damaged: it is made again.
        return None


def _nothing_to_recalibrate(
    retraining: Mapping[str, Retraining],
    pruning: Pruning,
    imported: Mapping[str, Imported],
    model: Model,
    dataset: str,
) -> Iterator[Problem]:
    found = _described(model, dataset)
    told = found.recalibration_problem if found else ""
    lists = [model.retraining, *(method.retraining for method in pruning.methods.values())]
    lists += [section.retraining for section in imported.values()]
    used = {name for names in lists for name in names}
    for name, kind in retraining.items():
        if told and kind.recalibration is not None and name in used:
            yield Problem(f"retraining.{name}.recalibration", told)


def _missing_scales(pruning: Pruning, model: Model, dataset: str) -> Iterator[Problem]:
    """Known before any work where the architecture has been described already."""
    known = _described(model, dataset)
    if known is None or any(chosen_layers.problem(one, known.layers) for one in pruning.exclude):
        return
    excluded = chosen_layers.find(pruning.exclude, known.layers, "pruning.exclude")
    for name, method in pruning.methods.items():
        if pieces.load_criterion(method.criterion).NEEDS == pieces.SCALES:
            pruned = [layer for layer in known.layers if layer.kind in method.layers]
            if without := scales.without([one for one in pruned if one.name not in excluded]):
                yield Problem(f"pruning.methods.{name}.criterion", without)


def _retraining_of_methods(
    pruning: Pruning, retraining: Mapping[str, Retraining]
) -> Iterator[Problem]:
    for name, method in pruning.methods.items():
        for kind in method.retraining:
            if kind not in retraining:
                yield Problem(f"pruning.methods.{name}.retraining", unknown(kind, retraining))


def _rates_of_schedules(
    pruning: Pruning, retraining: Mapping[str, Retraining]
) -> Iterator[Problem]:
    for name, method in pruning.methods.items():
        key_of_rates = f"pruning.methods.{name}.rates" if method.rates else "pruning.rates"
        rates = method.rates or pruning.rates
        for kind in method.retraining:
            if kind not in retraining:
                continue
            start = retraining[kind].start
            levels = schedule.load(start)
            why = f"`retraining.{kind}.start` is {start!r}, by which `{name}` is pruned"
            if told := levels.problem(rates):
                yield Problem(key_of_rates, f"{rates} {told} ({why})")
            elif method.cumulative and [levels.fraction(one, rates) for one in rates] != rates:
                yield Problem(
                    f"pruning.methods.{name}.cumulative",
                    f"true, but the schedule itself says what a level leaves ({why}). Remove it",
                )


def _untouched(retraining: Mapping[str, Retraining]) -> Iterator[Problem]:
    kind = retraining.get(coordinates.NOT_RETRAINED)
    if kind is None or kind.recipe is not None or not _starts_from_dense(kind):
        yield Problem(
            f"retraining.{coordinates.NOT_RETRAINED}",
            "must be there, start from `dense` and have recipe null: the dense network is measured "
            "under this name",
        )
    elif kind.recalibration is not None:
        yield Problem(
            f"retraining.{coordinates.NOT_RETRAINED}.recalibration",
            "networks under this name are left as they are; recalibrate under another name",
        )


def _recipes_of_retraining(
    retraining: Mapping[str, Retraining], recipes: Mapping[str, Recipe]
) -> Iterator[Problem]:
    for name, kind in retraining.items():
        if kind.recipe is None:
            continue
        if kind.recipe not in recipes:
            yield Problem(f"retraining.{name}.recipe", unknown(kind.recipe, recipes))
        elif recipes[kind.recipe].retrain_on == COMPACT and (
            kind.mask != "enforced" or kind.gradual or kind.regrow
        ):
            yield Problem(
                f"recipes.{kind.recipe}.retrain_on",
                f"`compact`, but `retraining.{name}` does not hold masks as they are. Choose "
                "`auto` or `masked`",
            )


def _rewinding(
    retraining: Mapping[str, Retraining],
    model: Model,
    recipes: Mapping[str, Recipe],
    imported: Mapping[str, Imported],
    dataset: str,
    datasets: Mapping[str, Dataset],
) -> Iterator[Problem]:
    for name, kind in retraining.items():
        if kind.rewind is None:
            continue
        if model.checkpoint != known_weights.TRAIN:
            yield Problem(
                f"retraining.{name}.rewind",
                "needs a dense network that is trained here, and `model.checkpoint` takes one from "
                "elsewhere. Remove it, or set `model.checkpoint` to `train`",
            )
        elif kind.recipe != model.recipe:
            yield Problem(
                f"retraining.{name}.recipe",
                f"{kind.recipe!r}, but `rewind` follows the dense network's training. Set it to "
                f"`model.recipe`, {model.recipe!r}",
            )
        elif dataset in datasets and (recipe := recipes.get(kind.recipe or "")) is not None:
            steps = _steps(recipe, datasets[dataset])
            if steps is not None and kind.rewind.step >= steps:
                yield Problem(
                    f"retraining.{name}.rewind.step",
                    f"{kind.rewind.step}, but recipe {kind.recipe!r} has {steps} steps. Choose an "
                    "earlier one",
                )
        for other, section in imported.items():
            if name in section.retraining and kind.rewind.what == "weights":
                yield Problem(
                    f"imported.{other}.retraining",
                    f"{name!r} takes weights of the dense network's training, in which a network "
                    "from elsewhere had no part. Choose another kind",
                )


def _changing_masks(
    retraining: Mapping[str, Retraining],
    pruning: Pruning,
    imported: Mapping[str, Imported],
    recipes: Mapping[str, Recipe],
    dataset: str,
    datasets: Mapping[str, Dataset],
) -> Iterator[Problem]:
    for name, kind in retraining.items():
        updates = kind.gradual or kind.regrow
        if updates is None:
            continue
        section = f"retraining.{name}.{'gradual' if kind.gradual else 'regrow'}"
        recipe = recipes.get(kind.recipe or "")
        if dataset in datasets and recipe is not None:
            steps = _steps(recipe, datasets[dataset])
            left = None if steps is None else steps - (kind.rewind.step if kind.rewind else 0)
            if left is not None and updates.end >= left:
                yield Problem(
                    f"{section}.end",
                    f"{updates.end}, but the training has {left} steps. Choose an earlier one",
                )
        if kind.regrow and recipe is not None and recipe.precision == "fp16":
            yield Problem(
                section,
                f"compares gradients, which may overflow in recipe {kind.recipe!r}, whose "
                "`precision` is fp16. Choose `bf16` or `float32`",
            )
        problems = _problems_of_gradual if kind.gradual else _problems_of_regrowth
        for method, settings in pruning.methods.items():
            if name in settings.retraining:
                yield from problems(method, settings, name)
        for other, network in imported.items():
            if name in network.retraining:
                yield Problem(
                    f"imported.{other}.retraining",
                    f"{name!r} changes the masks by a pruning method, and a network from elsewhere "
                    "has none. Choose another kind",
                )


def _problems_of_regrowth(name: str, method: Method, kind: str) -> Iterator[Problem]:
    key, why = f"pruning.methods.{name}", f"`retraining.{kind}` moves single weights"
    if method.granularity != "weight":
        yield Problem(
            f"{key}.granularity",
            f"{method.granularity!r}, but {why}. Choose `weight` or another kind of retraining",
        )
    if method.mask == "released":
        yield Problem(
            f"{key}.mask", f"'released', but {why}, and holds the others. Set it to `enforced`"
        )


def _problems_of_gradual(name: str, method: Method, kind: str) -> Iterator[Problem]:
    key, why = f"pruning.methods.{name}", f"`retraining.{kind}` prunes while it trains"
    needs = pieces.load_criterion(method.criterion).NEEDS
    if needs in pieces.MEASURED:
        yield Problem(
            f"{key}.criterion",
            f"{method.criterion!r} is measured by running the network, and {why}, by weights "
            "alone. Choose another criterion or kind of retraining",
        )
    if method.pattern is not None:
        yield Problem(
            f"{key}.pattern",
            f"{method.pattern!r} is made in one step, and {why}. Choose another kind of retraining",
        )
    if method.mask == "released":
        yield Problem(
            f"{key}.mask", f"'released', but {why}, and holds the masks. Set it to `enforced`"
        )


def _steps(recipe: Recipe, dataset: Dataset) -> int | None:
    """The number of steps of a training; None if it depends on images that nobody has counted."""
    if recipe.steps is not None:
        return recipe.steps
    images = recipe.images_per_epoch or (source.load(dataset.source).IMAGES or {}).get("train")
    return None if images is None else (recipe.epochs or 0) * (images // recipe.batch)


def _auxiliary_weights(recipes: Mapping[str, Recipe], model: Model) -> Iterator[Problem]:
    for name, recipe in recipes.items():
        if recipe.auxiliary_weight and not model.auxiliary_heads:
            yield Problem(
                f"recipes.{name}.auxiliary_weight",
                f"{recipe.auxiliary_weight}, but the network has no auxiliary heads. Set "
                "`model.auxiliary_heads` to true, or remove it",
            )


def _images_looked_at(
    interpretability: Interpretability, dataset: str, datasets: Mapping[str, Dataset]
) -> Iterator[Problem]:
    if dataset not in datasets:
        return
    for need in image_needs.of_scores(interpretability.model_dump()):
        images = getattr(datasets[dataset], need.split).images
        if images is not None and need.images > images:
            yield Problem(
                need.key, f"{need.said}, but `datasets.{dataset}.{need.split}.images` is {images}"
            )


def _images_trained_on(
    pruning: Pruning,
    recipes: Mapping[str, Recipe],
    retraining: Mapping[str, Retraining],
    sensitivity: Sensitivity,
    dataset: str,
    datasets: Mapping[str, Dataset],
) -> Iterator[Problem]:
    if dataset not in datasets:
        return
    kind = datasets[dataset].source
    images = (source.load(kind).IMAGES or {}).get("train")
    recalibrated = [name for name, how in retraining.items() if how.recalibration is not None]
    needs = (
        *image_needs.of_training(_plain(recipes), recipes),
        *image_needs.of_recalibration(_plain(retraining), recalibrated),
        *image_needs.of_pruning(_plain(pruning.methods)),
        *image_needs.of_variants(_plain(sensitivity.variants)),
    )
    for need in needs:
        if images is not None and need.images > images:
            yield Problem(need.key, f"{need.said}, but {kind} has {images} train images")


def _plain(sections: Mapping[str, Section]) -> dict[str, dict[str, Any]]:
    return {name: section.model_dump() for name, section in sections.items()}


def _variants(sensitivity: Sensitivity, interpretability: Interpretability) -> Iterator[Problem]:
    for name, variant in sensitivity.variants.items():
        for problem in _problems_of_variant(variant, interpretability):
            path = f"sensitivity.variants.{name}"
            yield Problem(f"{path}.{problem.key}" if problem.key else path, problem.text)


def _problems_of_variant(variant: Variant, interpretability: Interpretability) -> Iterator[Problem]:
    changes = variant.model_dump()
    score = score_variants.settings_of(changes, interpretability.mis.settings())
    yield from score_problems(score)
    recorded = interpretability.activations.images
    images = changes.get("probe_images", recorded)
    if images > recorded:
        yield Problem(
            "probe_images",
            f"{images}, but only `interpretability.activations.images` = {recorded} are recorded",
        )
    if score_variants.ranks_anew(changes):
        if 2 * score.images_per_side > images:
            yield Problem("", f"{images_needed(score)}, twice that of {images} images")
    else:
        yield from _too_few_exemplars(score, interpretability.exemplars.per_side)
    needed = 2 * interpretability.exemplars.per_side
    if variant.probe is not None and variant.probe.images < needed:
        yield Problem(
            "probe.images",
            f"{variant.probe.images}, but {needed} are needed, twice "
            "`interpretability.exemplars.per_side`",
        )


def _seeds_of_parts(
    seeds: list[int], sensitivity: Sensitivity, compact: Compact
) -> Iterator[Problem]:
    for name, chosen in (("sensitivity", sensitivity.seeds), ("compact", compact.seeds)):
        for seed in chosen or ():
            if seed not in seeds:
                yield Problem(f"{name}.seeds", unknown(seed, [str(known) for known in seeds]))


def _too_few_exemplars(score: mis.ScoreSettings, per_side: int) -> Iterator[Problem]:
    if score.images_per_side > per_side:
        yield Problem(
            "",
            f"{images_needed(score)}, but `interpretability.exemplars.per_side` is {per_side}",
        )


def _units_of_margin(statistics: Statistics, model: Model, seeds: list[int]) -> Iterator[Problem]:
    if not isinstance(statistics.margin, RelativeMargin):
        return
    if statistics.margin.of_training is not None and not model.untrained:
        yield Problem(
            "statistics.margin.of_training",
            "needs an untrained network to compare with. Set `model.untrained` to true, or give "
            "the margin as a number",
        )
    if statistics.margin.of_runs is not None and len(seeds) < 2:
        yield Problem(
            "statistics.margin.of_runs",
            f"needs at least two `seeds`, not {len(seeds)}. Add one, or give the margin as a "
            "number",
        )


# The parameters of each check are named like the sections that it compares.
_CHECKS: tuple[Callable[..., Iterator[Problem]], ...] = (
    _folder,
    _dataset,
    _published_weights,
    _normalisation,
    _files_of_weights,
    _names_of_imported,
    _retraining_of_imported,
    _recipe_of_model,
    _controls,
    _rates_of_chains,
    _excluded_layers,
    _missing_scales,
    _nothing_to_recalibrate,
    _retraining_of_methods,
    _rates_of_schedules,
    _untouched,
    _recipes_of_retraining,
    _rewinding,
    _changing_masks,
    _auxiliary_weights,
    _images_looked_at,
    _images_trained_on,
    _variants,
    _units_of_margin,
    _seeds_of_parts,
)
