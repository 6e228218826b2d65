"""Each use case of the library has its edges: a page, an operation of the REST API, a command where one fits.

A public function of `viewfinder.service.library` that is new fails here until it stands in the table with its edges, or
among those that are no use case, with the reason.
"""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import NamedTuple

import pytest
import typer

from viewfinder import web
from viewfinder.cli.app import app as cli
from viewfinder.rest.app import ROUTERS
from viewfinder.service import library


class Edges(NamedTuple):
    """A page's address, a REST operation, and a command that does the same with folders."""

    page: str | None
    operation: str
    command: str | None = None


DATASET, ANALYSIS, RUN, RESULT = (
    "/datasets/{identity}",
    "/analyses/{identity}",
    "/runs/{identity}",
    "/runs/{identity}/result",
)

USE_CASES = {
    "analyses.analyses": Edges("/", "list_analyses"),
    "analyses.change": Edges(ANALYSIS, "change_design", "train"),
    "analyses.change_all": Edges(None, "change_design", "train"),
    "analyses.create": Edges(DATASET, "create_analysis"),
    "analyses.design_of": Edges(ANALYSIS, "get_design", "design"),
    "analyses.replace": Edges(None, "replace_design", "train"),
    "datasets.datasets": Edges("/", "list_datasets"),
    "datasets.index": Edges(DATASET, "check_dataset", "check"),
    "gallery.page": Edges(DATASET, "list_images"),
    "gallery.part": Edges(None, "list_images"),
    "gallery.thumbnail": Edges("/files/datasets/{identity}/{sha256}.jpg", "get_thumbnail"),
    "imports.get": Edges("/imports/{identity}", "get_import"),
    "imports.of_path": Edges("/datasets/new", "begin_import"),
    "imports.of_upload": Edges("/datasets/new", "begin_import"),
    "judged.Judged.counted": Edges(RESULT, "count_confusion"),
    "judged.Judged.boxes": Edges(RESULT, "list_predictions"),
    "judged.Judged.feed": Edges(RESULT, "list_feed"),
    "judged.Judged.picture": Edges("/files/runs/{identity}/images/{row}.jpg", "get_picture"),
    "judged.Judged.probabilities": Edges(RESULT, "list_predictions"),
    "outlook.outlook": Edges(ANALYSIS, "get_design", "train"),
    "runs.create": Edges(ANALYSIS, "create_run", "train"),
    "runs.folder": Edges("/files/runs/{identity}/{name}", "get_report_page", "train"),
    "runs.info": Edges(RUN, "list_runs"),
    "runs.resume": Edges(RUN, "resume_run", "resume"),
    "runs.runs": Edges("/", "list_runs"),
    "runs.stop": Edges(RUN, "stop_run"),
    "runs.use_threshold": Edges(RESULT, "use_threshold"),
    "standing.now": Edges(RUN, "get_run"),
    "uploads.begin": Edges("/datasets/new", "begin_upload"),
    "uploads.sent": Edges("/datasets/new", "get_upload"),
    "uploads.receive": Edges("/datasets/new", "receive_file"),
}

NONE = {
    "access.create": "tokens have their operations with the page that lists them",
    "access.revoke": "as `access.create`",
    "access.tokens": "as `access.create`",
    "access.verify": "done by the guard",
    "adopting.adopt": "done when the server starts",
    "analyses.get_value": "a plain value",
    "analyses.setting_names": "a plain value",
    "analyses.values_of": "a part of `analyses.design_of`",
    "analyses.with_value": "a plain value",
    "batches.get": "no operation yet; the page is /runs/{identity}/try, the command `predict`",
    "batches.of_model": "no operation yet; the page is /runs/{identity}/try",
    "batches.of_upload": "no operation yet; the page is /runs/{identity}/try, the command `predict`",
    "batches.stop": "no operation yet; the page is /runs/{identity}/try",
    "batches.stop_all": "done when the server ends",
    "calibration.machine_speed": "a part of `outlook.outlook`",
    "calibration.uncorrected": "a part of `outlook.outlook`",
    "datasets.add": "done by an import",
    "datasets.add_samples": "done when the server starts",
    "datasets.group_columns": "no operation yet: the columns by which a table can be split",
    "datasets.grouped": "a part of `outlook.outlook`",
    "datasets.rename": "on the page only, so far",
    "datasets.source": "a plain value",
    "datasets.summary": "`datasets.index` in short",
    "examples.examples": "no operation yet: examples of each class",
    "gallery.full": "on the page only, so far",
    "gallery.left_out": "on the page only, so far",
    "gallery.one": "on the page only, so far",
    "gallery.pictures": "a part of the page",
    "imports.again": "on the page only, so far",
    "imports.give_up": "on the page only, so far",
    "imports.unfinished": "on the page only, so far",
    "datasets.keep": "a part of an import",
    "judged.Judged.view": "a plain value",
    "library.default_home": "where the library lies",
    "library.new_id": "a plain value",
    "library.write": "a part of others",
    "outlook.parts": "no operation yet: images of each class in each split",
    "outlook.rates": "a drawing of a design",
    "outlook.seconds_per_epoch": "a part of `outlook.outlook`",
    "previews.kept": "a part of the page of a design",
    "runs.claim": "done by the jobs",
    "runs.set_state": "done by the jobs",
    "runs.unfinished": "done by the jobs",
    "texts.command": "a design as a command to copy",
    "texts.from_text": "a pasted design; REST puts it as JSON",
    "trials.begin": "a part of the page /runs/{identity}/try",
    "trials.end": "a part of the page /runs/{identity}/try",
    "trials.found": "a part of `trials.look`",
    "trials.get": "a part of the page /runs/{identity}/try",
    "trials.load": "a part of the page /runs/{identity}/try",
    "trials.look": "no operation yet; the page is /runs/{identity}/try, the command `predict`",
    "trials.look_at_sample": "no operation yet; the page is /runs/{identity}/try",
    "uploads.folder_of": "a part of an import",
    "zips.inside": "a part of an upload",
    "zips.is_zip": "a plain value",
    "zips.unpack": "a part of an import",
    "history.duplicate": "on the page only, so far",
    "history.entries": "on the page only, so far",
    "names.rename": "on the page only, so far",
    "names.write_notes": "on the page only, so far",
    "saved.activate": "on the page only, so far",
    "saved.deploy": "on the page only, so far",
    "saved.roll_back": "on the page only, so far",
    "saved.saved_models": "on the page only, so far",
    "saved.versions": "on the page only, so far",
    "saved.zipped": "on the page only, so far",
    "system.back_up": "on the page only, so far",
    "system.backup": "on the page only, so far",
    "system.backups": "on the page only, so far",
    "system.clear_caches": "on the page only, so far",
    "system.disk": "on the page only, so far",
    "system.versions": "on the page only, so far",
    "trash.discard": "on the page only, so far",
    "trash.items": "on the page only, so far",
    "trash.remove": "on the page only, so far",
    "trash.restore": "on the page only, so far",
    "weight_files.receive": "on the page only, so far",
    "datasets.forget_sample": "a part of `trash.remove`",
    "history.chosen": "a part of `history.duplicate`",
    "history.entry": "a row of `history.entries`",
    "names.valid": "a check",
    "saved.folder": "a part of others",
    "saved.get_version": "one of `saved.versions`",
    "saved.origin": "a part of `saved.versions`",
    "system.size": "a plain value",
    "trash.empty": "done by the server, once a day",
    "trash.places": "a part of others",
}
"""Public functions that are no use case, and why."""

OTHERS = {
    "get_dataset", "list_diagnostics", "get_analysis", "list_epochs", "list_events", "get_report",
    "get_model", "get_prediction_table", "list_models", "list_weights", "list_tasks", "get_design_schema",
    "get_version", "get_health", "list_latest", "get_log",
}  # fmt: skip
"""Operations that read a row, a run's folder or the catalogue as they are."""


def _functions(module, owner, name):
    found = vars(owner).items()
    own = [(n, f) for n, f in found if inspect.isfunction(f) and f.__module__ == module.__name__ and n[0] != "_"]
    return {f"{name}.{n}" for n, _ in own}


def public():
    """Return every public function of the library's modules, and what can be asked of judged images."""
    names = [info.name for info in pkgutil.iter_modules(library.__path__)]
    modules = {name: importlib.import_module(f"{library.__name__}.{name}") for name in names}
    found = {one for name, module in modules.items() for one in _functions(module, module, name)}
    return found | _functions(modules["judged"], modules["judged"].Judged, "judged.Judged")


def pages():
    """Return the addresses of pages and of the files that they show."""
    text = "".join(path.read_text(encoding="utf-8") for path in Path(web.__path__[0]).glob("*.py"))
    return set(re.findall(r'@(?:_page|app\.get)\("([^"]+)"', text))


OPERATIONS = {route.name for router in ROUTERS for route in router.routes}


def test_every_use_case_is_listed():
    missing = public() - USE_CASES.keys() - NONE.keys()
    assert not missing, f"give them edges in USE_CASES, or a reason in NONE: {sorted(missing)}"
    assert not (USE_CASES.keys() | NONE.keys()) - public(), "these are gone"
    assert not USE_CASES.keys() & NONE.keys()


def test_every_operation_is_of_a_use_case():
    assert {edges.operation for edges in USE_CASES.values()} | OTHERS == OPERATIONS


@pytest.mark.parametrize("name", USE_CASES)
def test_the_edges_of_a_use_case_are_there(name):
    page, operation, command = USE_CASES[name]
    assert operation in OPERATIONS
    assert page is None or page in pages()
    assert command is None or command in typer.main.get_command(cli).commands
