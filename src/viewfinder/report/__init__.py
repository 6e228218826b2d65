"""What a run is worth, as report.json and as one HTML file that opens offline."""

from viewfinder.report.build import Evaluation, build
from viewfinder.report.html import retell_threshold, write

__all__ = ["Evaluation", "build", "retell_threshold", "write"]
