"""EfficientNet-Lite0 (Google, 2020), after Tan & Le, EfficientNet (2019), without squeeze-and-excitation.

Modules and weights have the names that timm gives them. The network is written here since importing timm takes half a
second.
"""

import math
from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional

from viewfinder.catalogue import Model
from viewfinder.engine.layers import channels_last, undecided
from viewfinder.errors import WeightsError

# kernel in px, stride, times as many channels inside, channels, blocks: Tan & Le, table 1; the same at every size of it
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM, LAST = 32, 1280  # channels
EPS, DROPOUT = 1e-3, 0.2  # of the authors' TensorFlow


class Conv(nn.Conv2d):
    """A convolution without bias that pads like TensorFlow's SAME: float [n, C, H, W] → [n, C', ⌈H/s⌉, ⌈W/s⌉].

    With a stride of 2 one more row and column is added after an even size than before it. The kernel is odd.
    """

    def __init__(self, inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inside, outside, kernel, stride, 0 if stride > 1 else kernel // 2, groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolved maps."""
        if self.stride[0] == 1:
            return super().forward(x)
        height, width = (self.kernel_size[0] - 2 + size % 2 for size in x.shape[2:])
        around = [width // 2, width - width // 2, height // 2, height - height // 2]
        return super().forward(functional.pad(x, around))


class Norm(nn.BatchNorm2d):
    """A batch norm, and the ReLU6 that follows unless it ends a block."""

    def __init__(self, channels: int, ends: bool = False) -> None:
        super().__init__(channels, eps=EPS)
        self.ends = ends

    def forward(self, x: Tensor) -> Tensor:
        """Return the normed maps: float [n, C, H, W], in [0, 6] after a ReLU6."""
        return _ended(super().forward(x), self.ends)

    def synchronise(self, made: nn.SyncBatchNorm) -> None:
        """Have what torch made of this norm, to see the images of all processes, end as this one does."""
        made.__class__, made.ends = SynchronisedNorm, self.ends  # type: ignore[assignment]


class SynchronisedNorm(nn.SyncBatchNorm):
    """The same over the images of all processes that train together."""

    ends: bool

    def forward(self, x: Tensor) -> Tensor:
        """Return the normed maps."""
        return _ended(super().forward(x), self.ends)


def _ended(normed: Tensor, ends: bool) -> Tensor:
    return normed if ends else functional.relu6(normed, inplace=True)


class Block(nn.Sequential):
    """A convolution of each channel between two of all channels, of which the first widens; around it a shortcut."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, widened: int) -> None:
        wide = inside * widened
        parts: dict[str, nn.Module]
        if widened == 1:
            parts = {"conv_dw": Conv(wide, wide, kernel, stride, groups=wide), "bn1": Norm(wide)}
            parts |= {"conv_pw": Conv(wide, outside, 1), "bn2": Norm(outside, ends=True)}
        else:
            parts = {"conv_pw": Conv(inside, wide, 1), "bn1": Norm(wide)}
            parts |= {"conv_dw": Conv(wide, wide, kernel, stride, groups=wide), "bn2": Norm(wide)}
            parts |= {"conv_pwl": Conv(wide, outside, 1), "bn3": Norm(outside, ends=True)}
        super().__init__(OrderedDict(parts))
        self.shortcut = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's maps: float [n, C, H, W] → [n, C', ⌈H/stride⌉, ⌈W/stride⌉]."""
        made: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return made + x if self.shortcut else made


class Network(nn.Module):
    """The classifier: float [n, 3, S, S] → logits [n, classes]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv_stem, self.bn1 = Conv(3, STEM, 3, 2), Norm(STEM)
        stages, inside = [], STEM
        for kernel, stride, widened, outside, blocks in STAGES:
            first = Block(inside, outside, kernel, stride, widened)
            more = (Block(outside, outside, kernel, 1, widened) for _ in range(blocks - 1))
            stages.append(nn.Sequential(first, *more))
            inside = outside
        self.blocks = nn.Sequential(*stages)
        self.conv_head, self.bn2 = Conv(inside, LAST, 1), Norm(LAST)
        self.global_pool, self.dropout = nn.AdaptiveAvgPool2d(1), nn.Dropout(DROPOUT)
        self.classifier = nn.Linear(LAST, classes)
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        maps = self.bn2(self.conv_head(self.blocks(self.bn1(self.conv_stem(x)))))
        logits: Tensor = self.classifier(self.dropout(self.global_pool(maps).flatten(1)))
        return logits


def _initialise(module: nn.Module) -> None:
    """Give a module random weights as the authors do: He's by what goes out of a convolution, uniform in the head."""
    if isinstance(module, nn.Conv2d):
        outputs = module.weight[0, 0].numel() * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / outputs))
    elif isinstance(module, nn.Linear):
        bound = 1 / math.sqrt(module.out_features)
        nn.init.uniform_(module.weight, -bound, bound)
        nn.init.zeros_(module.bias)


def network(classes: int) -> nn.Module:
    """Return the network with random weights: float [n, 3, S, S] → logits [n, classes]."""
    return Network(classes)


def named(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a published file under timm's names.

    The bundled file holds them in the order of timm's network under names of its own; files that already use timm's
    names are taken as they are. Raises WeightsError when tensors do not fit.
    """
    wanted = network(1000).state_dict()
    if set(wanted) & set(weights):
        return weights
    shapes = [tuple(t.shape) for t in weights.values()]
    if shapes != [tuple(t.shape) for t in wanted.values()]:
        raise WeightsError("the tensors are not those of EfficientNet-Lite0")
    return dict(zip(wanted, weights.values(), strict=True))


class EfficientNetLite0:
    """Builds the classifier."""

    arrange = staticmethod(channels_last)

    @staticmethod
    def build(row: Model, classes: int, batch_norm: str) -> nn.Module:
        """Return a network with random weights: float [n, 3, S, S] → logits [n, classes]."""
        built = network(classes)
        undecided(built.get_submodule("classifier"))  # type: ignore[arg-type]  # it is a Linear
        return built

    @staticmethod
    def from_file(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a published file under the network's names, without the head."""
        return {name: tensor for name, tensor in named(weights).items() if not name.startswith("classifier.")}
