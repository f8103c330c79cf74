"""The tables of a study whose scores were made elsewhere."""
