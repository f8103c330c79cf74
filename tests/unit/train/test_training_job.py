"""The log of a training job: a line for each epoch, when it is done."""

import logging
from collections.abc import Iterator

import pytest

from prunescope.train import history_table, training_job

EPOCHS = [
    {
        "epoch": epoch,
        "step": 4 * epoch,
        "lr": 0.1 if epoch else None,
        "train_images": 32 if epoch else None,
        "replaced_images": 0 if epoch else None,
        "train_loss": 1.25 if epoch else None,
        "train_top1": 0.5 if epoch else None,
        "validation_images": 10,
        "validation_top1": 0.25 * epoch,
        "validation_loss": 2.0,
        "sparsity": 0.4,
    }
    for epoch in range(3)
]


def test_an_epoch_is_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="prunescope"):
        history = training_job.follow(iter(EPOCHS))
    assert caplog.messages == [
        "epoch 0, step 0: training loss -, validation top-1 0.0000, sparsity 0.4000",
        "epoch 1, step 4: training loss 1.2500, validation top-1 0.2500, sparsity 0.4000",
        "epoch 2, step 8: training loss 1.2500, validation top-1 0.5000, sparsity 0.4000",
    ]
    assert history.to_dicts() == EPOCHS
    history_table.HISTORY.conform(history)


def test_an_epoch_is_logged_when_it_is_done(caplog: pytest.LogCaptureFixture) -> None:
    def training() -> Iterator[dict]:
        for number, epoch in enumerate(EPOCHS):
            assert len(caplog.messages) == number
            yield epoch

    with caplog.at_level(logging.INFO, logger="prunescope"):
        training_job.follow(training())
