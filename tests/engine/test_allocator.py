"""How freed memory is used again: counted in page faults, in processes of their own."""

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="this is how glibc does it")
def test_memory_is_used_again_until_it_lacks():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    always, reused, given_back = map(int, done.stdout.split())
    assert 5 * reused < min(always, given_back), done.stderr


def test_the_engine_begins_with_it(monkeypatch, tmp_path):
    begun = []
    monkeypatch.setattr(compiler, "stand_in", lambda: None)  # not in the process of the tests
    monkeypatch.setattr(allocator, "reuse", lambda: begun.append(True))
    assert main(["train", str(tmp_path)]) == 2  # there is no run
    assert begun
