"""The sections about weights from elsewhere, as they are written out for jobs."""

from good_config import changed

from prunescope.study.config.checking import check

FILE = {"file": "weights/a.pth"}


def test_only_what_names_the_weights_is_written_out() -> None:
    """A job is not stale because a key of another form was thought of."""
    for section in (FILE, {**FILE, "transform_input": False}):
        values = check(changed({"model.checkpoint": section})).model_dump()
        assert values["model"]["checkpoint"] == section


def test_a_network_from_elsewhere_is_measured_as_it_is_if_nothing_is_said() -> None:
    values = check(changed({"imported": {"theirs": {**FILE, "rate": 0.5}}})).model_dump()
    assert values["imported"] == {"theirs": {**FILE, "rate": 0.5, "retraining": ["none"]}}


def test_a_study_without_networks_from_elsewhere_need_not_say_so() -> None:
    assert check(changed({})).model_dump()["imported"] == {}
