"""What a network consists of, found from runs of its module and from its exported graph."""
