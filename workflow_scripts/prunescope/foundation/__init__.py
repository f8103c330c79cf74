"""What every stage needs: whole files, tables, jobs, provenance, errors."""
