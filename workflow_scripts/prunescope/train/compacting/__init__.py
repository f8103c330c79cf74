"""Train only what masks leave: layers without their pruned rows and columns."""
