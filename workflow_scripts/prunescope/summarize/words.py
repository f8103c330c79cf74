"""The keys of the config in words, for charts, findings and the report."""

from prunescope.networks.coordinates import NOT_RETRAINED, ONE_SHOT

RETRAINING_NAMES = {
    NOT_RETRAINED: "not retrained",
    ONE_SHOT: "one-shot",
    "one_shot_adam": "one-shot, Adam",
    "one_shot_60": "one-shot, 60 epochs",
}


def human(name: str) -> str:
    """A key of the config with spaces instead of underscores."""
    return name.replace("_", " ")


def describe_retraining(kind: str) -> str:
    """A kind of retraining in words."""
    return RETRAINING_NAMES.get(kind, human(kind))
