"""Networks: coordinates, files, modules."""
