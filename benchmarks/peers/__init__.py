"""Training scripts as the tutorials of others teach them, one file each."""
