"""Training, retraining and recalibration of networks."""
