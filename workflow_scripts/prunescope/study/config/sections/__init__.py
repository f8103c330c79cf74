"""The sections of the config, one model a file."""
