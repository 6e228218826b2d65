"""Training scripts as the tutorials of others teach them: `python benchmarks/scripts.py NAME JSON`.

NAME is one of `SCRIPTS`, the JSON holds the fields of `peers.job.Job`. The last line that is printed is JSON:
`images_per_second` of the epochs after the first, and `accuracy` on the images that were not learned from.
"""

import json
import sys
import warnings
from dataclasses import dataclass
from importlib import import_module

from tables import installed


@dataclass(frozen=True)
class Script:
    """A script: the function that trains, what must be installed for it, and whether it is a peer or merely shown."""

    name: str
    function: str
    packages: tuple[str, ...]
    task: str = "classification"
    role: str = "peer"

    def train(self, job: dict[str, object]) -> dict[str, float | None]:
        """Train; return the figures."""
        from peers.job import Job

        module, _, function = self.function.partition(":")
        figures: dict[str, float | None] = getattr(import_module(f"peers.{module}"), function)(Job(**job))  # type: ignore[arg-type]
        return figures

    @property
    def missing(self) -> list[str]:
        """The packages that are not installed."""
        return [package for package in self.packages if not installed(package)]


SCRIPTS = (
    Script("torchvision", "torchvision_script:train", ("torchvision",)),
    Script("torchvision, channels last", "torchvision_script:channels_last", ("torchvision",), role="shown"),
    Script("fastai", "fastai_script:train", ("fastai",)),
    Script("transformers", "transformers_script:train", ("transformers", "accelerate")),
    Script("lightning", "lightning_script:train", ("lightning",)),
    Script("torchvision", "detection_script:train", ("torchvision",), task="detection"),
)


def main() -> None:
    """Run a script."""
    from viewfinder import catalogue

    warnings.simplefilter("ignore")
    name, job = sys.argv[1], json.loads(sys.argv[2])
    task = catalogue.get(job["name"]).task
    script = next(script for script in SCRIPTS if (script.name, script.task) == (name, task))
    figures = script.train(job)
    sys.stdout.write(f"\n{json.dumps(figures)}\n")


if __name__ == "__main__":
    main()
