"""Files, tables, jobs, provenance and errors, which every stage uses."""
