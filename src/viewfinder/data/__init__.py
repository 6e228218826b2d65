"""Sources, datasets, pixels, splits and samples: everything between files and tensors."""
