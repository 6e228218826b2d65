"""Loading: the same examples from any number of processes, which need no torch and leave nothing behind."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from viewfinder.design import Augmentation
from viewfinder.engine.examples import Item, Loader, Recipe, in_batches, shuffled
from viewfinder.errors import TrainingError

RECIPE = Recipe(32, None, Augmentation(), seed=3, fill=(1, 2, 3))


@pytest.fixture
def items(tmp_path):
    rng = np.random.default_rng(0)
    made = []
    for number in range(11):
        path = tmp_path / f"{number} ä.png"
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(path)
        made.append(Item(str(path), path.name, (number % 3,), ((4.0, 4.0, 30.0, 30.0),)))
    (tmp_path / "torn.png").write_bytes((tmp_path / "0 ä.png").read_bytes()[:200])
    return [*made, Item(str(tmp_path / "torn.png"), "torn.png", (0,)), Item(str(tmp_path / "gone.png"), "gone.png")]


def examples(loader, items, epoch=2):
    return [list(batch) for batch in loader.batches(RECIPE, in_batches(items, 4), epoch)]


def flat(batches):
    return [example for batch in batches for example in batch]


def test_nothing_depends_on_the_number_of_workers(items):
    told = []
    for workers in (0, 1, 2):
        with Loader(workers) as loader:
            told.append(examples(loader, items))
            told.append(examples(loader, items))  # the same processes serve every epoch
    assert [len(batch) for batch in told[0]] == [4, 4, 4, 1]
    for other in told[1:]:
        for ours, theirs in zip(flat(told[0]), flat(other), strict=True):
            assert ours.item == theirs.item
            assert np.array_equal(ours.pixels, theirs.pixels)
            assert np.array_equal(ours.boxes, theirs.boxes)
            assert np.array_equal(ours.classes, theirs.classes)
            assert (ours.original_size, ours.error) == (theirs.original_size, theirs.error)


def test_images_that_cannot_be_read_are_examples_with_an_error(items):
    with Loader(0) as loader:
        last = [example for batch in examples(loader, items) for example in batch][-2:]
    assert [example.item.name for example in last] == ["torn.png", "gone.png"]
    assert all(example.error for example in last)
    assert "no such file" in last[1].error


def test_another_epoch_gives_other_examples(items):
    with Loader(0) as loader:
        one, two = examples(loader, items[:8], 1), examples(loader, items[:8], 2)
    assert any(
        not np.array_equal(a.pixels, b.pixels) for x, y in zip(one, two, strict=True) for a, b in zip(x, y, strict=True)
    )


def test_workers_never_import_torch(items):
    """In a process of its own, started as the trainer is, because pytest itself may be imported by workers."""
    code = """
import sys
from viewfinder.engine.examples import Item, Loader, Recipe
from PIL import Image
def main():
    import torch
    with Loader(2) as loader:
        list(loader.batches(Recipe(32), [[Item(sys.argv[1], "a")]] * 4))
        look = "[m for m in ('torch', 'torchvision', 'timm') if m in __import__('sys').modules]"
        asked = [loader._executor.submit(eval, look) for _ in range(8)]
        print(sum((future.result() for future in asked), []))
if __name__ == "__main__":
    main()
"""
    script = os.path.join(os.path.dirname(items[0].path), "script.py")  # noqa: PTH118, PTH120
    with open(script, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(code)
    result = subprocess.run([sys.executable, script, items[0].path], capture_output=True, text=True, timeout=120)
    assert (result.stdout, result.stderr) == ("[]\n", "")


def pids(loader):
    return list(loader._executor._processes)


def gone(pid):
    """Return whether a process ended; one that waits for its parent to ask how has ended too."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def all_gone(processes, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until and not all(gone(pid) for pid in processes):
        time.sleep(0.05)
    return all(gone(pid) for pid in processes)


def test_processes_end_with_the_loader(items):
    with Loader(2) as loader:
        ahead = loader.batches(RECIPE, in_batches(items * 20, 4))
        next(ahead)
        processes = pids(loader)
        assert 1 <= len(processes) <= 2
        ahead.close()
    assert all_gone(processes)


PARENT = """
import sys, time
from viewfinder.engine.examples import Item, Loader, Recipe
if __name__ == "__main__":
    loader = Loader(2)
    list(loader.batches(Recipe(32), [[Item(sys.argv[1], "a")]] * 4))
    print(*loader._executor._processes, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_processes_end_when_their_parent_is_killed(items, tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py"), items[0].path], stdout=subprocess.PIPE, text=True
    )
    processes = [int(pid) for pid in parent.stdout.readline().split()]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert processes
    assert all_gone(processes)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_worker_that_dies_is_a_clear_error(items):
    with Loader(1) as loader:
        ahead = loader.batches(RECIPE, in_batches(items * 50, 4))
        next(ahead)
        os.kill(pids(loader)[0], signal.SIGKILL)
        with pytest.raises(TrainingError, match=r"runtime\.workers=0"):
            list(ahead)


def test_the_order_depends_on_seed_and_epoch():
    assert sorted(shuffled(50, 0, 1)) == list(range(50))
    assert shuffled(50, 0, 1) == shuffled(50, 0, 1)
    assert len({tuple(shuffled(50, seed, epoch)) for seed in range(3) for epoch in range(1, 4)}) == 9


def test_the_last_partial_batch_is_kept():
    made = [Item("", str(n)) for n in range(5)]
    assert [[item.name for item in batch] for batch in in_batches(made, 2, [4, 3, 2, 1, 0])] == [
        ["4", "3"],
        ["2", "1"],
        ["0"],
    ]
