"""How fast the study is, against peers and against its limits: `make benchmark`."""
