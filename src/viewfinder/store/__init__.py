"""The store: the only package with SQL. It knows rows, not files."""

from viewfinder.store.database import Database, open_database
from viewfinder.store.schema import Analysis, Dataset, Run, SavedModel, Token, Version

__all__ = ["Analysis", "Database", "Dataset", "Run", "SavedModel", "Token", "Version", "open_database"]
