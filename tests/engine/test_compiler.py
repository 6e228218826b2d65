"""The stand-in for torch's compiler: the engine goes without it, and whoever asks for the real one gets it."""

import subprocess
import sys

PROGRAM = """if True:
    import sys
    from viewfinder.engine import compiler
    compiler.stand_in()
    import torch
    from viewfinder import catalogue
    from viewfinder.engine import build, conversion, layers, optimizers
    for name in ("efficientnet_lite0", "fasterrcnn_efficientnet_lite0_fpn"):
        network = build.network(catalogue.get(name), 3, "frozen")
    for name in optimizers.OPTIMIZERS:
        weight = torch.nn.Parameter(torch.ones(3))
        optimizer = optimizers.make(name, [weight], 0.1, 0.0)
        weight.sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        optimizer.load_state_dict(optimizer.state_dict())
        assert (weight < 1).all(), name
    conversion.converted(torch.nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 8, 8), (-1, 3, 8, 8))
    import torch.distributed.launcher.api
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    joined = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    joined(torch.ones(1, 2)).sum().backward()
    torch.distributed.destroy_process_group()
    print(sum(name.startswith("torch._dynamo.") for name in sys.modules), "sympy" in sys.modules)
    from torch._dynamo.utils import is_compile_supported
    print(is_compile_supported("cpu"), "sympy" in sys.modules)
    import torch._dynamo.config
    print(type(sys.modules["torch._dynamo"]).__name__, torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)))
"""


def test_the_compiler_is_imported_only_where_it_is_asked_for():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["1 False", "True True", "module tensor([2.])"], done.stderr
