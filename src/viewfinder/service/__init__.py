"""Use cases over files: plain functions that print nothing, raise what a user can meet, and never import the engine."""
