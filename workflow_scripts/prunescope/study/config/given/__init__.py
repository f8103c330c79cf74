"""The config of a study whose scores were made elsewhere."""
