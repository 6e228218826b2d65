"""How freed memory is used again: counted in page faults, in processes of their own."""

import os
import platform
import subprocess
import sys

import pytest

from viewfinder.engine import allocator, compiler
from viewfinder.engine.__main__ import main

PROGRAM = """
import resource, sys
from viewfinder.engine import allocator, memory
import torch

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.empty(10_000_000).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

always = faults()
allocator.reuse()
faults()
again = faults()
memory.release()
print(always, again, faults())
"""


ON_GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this is how glibc does it")


def count_faults(**environment):
    """Return the page faults of ten tensors: before memory is used again, while it is, and once it lacked."""
    program = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(program, env=os.environ | environment, capture_output=True, text=True, check=True)
    return map(int, done.stdout.split())


@ON_GLIBC
def test_memory_is_used_again_until_it_lacks():
    always, reused, given_back = count_faults()
    assert 5 * reused < min(always, given_back)


@ON_GLIBC
@pytest.mark.parametrize(
    "environment", [{"MALLOC_MMAP_THRESHOLD_": "4096"}, {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=4096"}]
)
def test_what_the_environment_says_of_memory_holds(environment):
    always, reused, _ = count_faults(**environment)
    assert 2 * reused > always


def test_the_engine_begins_with_it(monkeypatch, tmp_path):
    begun = []
    monkeypatch.setattr(compiler, "stand_in", lambda: None)  # not in the process of the tests
    monkeypatch.setattr(allocator, "reuse", lambda: begun.append(True))
    assert main(["train", str(tmp_path)]) == 2  # there is no run
    assert begun
