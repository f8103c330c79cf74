"""Archives that datasets are published as: how they are fetched and read."""
