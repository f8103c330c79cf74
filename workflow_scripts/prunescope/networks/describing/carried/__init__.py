"""Parameters that no layer owns, but whose numbers belong to channels."""
