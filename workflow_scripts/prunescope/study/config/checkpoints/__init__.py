"""The sections of the config about weights that were trained elsewhere."""
