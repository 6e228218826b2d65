"""Use cases over the store: datasets, analyses and runs that have ids, live in one folder, and are kept."""
