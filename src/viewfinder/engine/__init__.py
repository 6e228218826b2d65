"""The training engine: the only package that imports torch.

`python -m viewfinder.engine` runs it as a process of its own. Importing this package imports nothing else, so that the
processes that only load images stay small.
"""
