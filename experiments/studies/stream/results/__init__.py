"""What the pieces left, as numbers and verdicts: the record and the report. Imports work and plan."""
