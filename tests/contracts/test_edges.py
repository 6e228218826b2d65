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


SYSTEM, TRY, MODELS, MODEL = "/system", "/runs/{identity}/try", "/models", "/models/{identity}"
DATASET, ANALYSIS, RUN, RESULT = (
    "/datasets/{identity}",
    "/analyses/{identity}",
    "/runs/{identity}",
    "/runs/{identity}/result",
)

USE_CASES = {
    "access.create": Edges(SYSTEM, "create_token"),
    "access.revoke": Edges(SYSTEM, "revoke_token"),
    "access.tokens": Edges(SYSTEM, "list_tokens"),
    "analyses.analyses": Edges("/", "list_analyses"),
    "analyses.change": Edges(ANALYSIS, "change_design", "train"),
    "analyses.change_all": Edges(None, "change_design", "train"),
    "analyses.create": Edges(DATASET, "create_analysis"),
    "analyses.design_of": Edges(ANALYSIS, "get_design", "design"),
    "analyses.replace": Edges(None, "replace_design", "train"),
    "batches.batches": Edges(None, "list_batches"),
    "batches.delete": Edges(TRY, "delete_batch"),
    "batches.get": Edges("/files/predictions/{identity}.csv", "get_batch"),
    "batches.of_model": Edges(TRY, "list_batches"),
    "batches.of_upload": Edges(TRY, "begin_batch", "predict"),
    "batches.resume": Edges(TRY, "resume_batch"),
    "batches.stop": Edges(TRY, "stop_batch"),
    "datasets.datasets": Edges("/", "list_datasets"),
    "datasets.group_columns": Edges(ANALYSIS, "list_group_columns"),
    "datasets.index": Edges(DATASET, "check_dataset", "check"),
    "datasets.rename": Edges(DATASET, "rename_dataset"),
    "examples.examples": Edges(ANALYSIS, "list_examples"),
    "gallery.full": Edges("/files/datasets/{identity}/full/{sha256}.jpg", "get_full_picture"),
    "gallery.left_out": Edges("/files/datasets/{identity}/left-out", "get_left_out"),
    "gallery.one": Edges(DATASET, "get_image"),
    "gallery.page": Edges(DATASET, "list_images"),
    "gallery.part": Edges(None, "list_images"),
    "gallery.thumbnail": Edges("/files/datasets/{identity}/{sha256}.jpg", "get_thumbnail"),
    "history.duplicate": Edges("/analyses/{identity}/runs", "duplicate_run"),
    "history.entries": Edges("/analyses/{identity}/runs", "list_history"),
    "imports.again": Edges("/imports/{identity}", "import_again"),
    "imports.get": Edges("/imports/{identity}", "get_import"),
    "imports.give_up": Edges("/imports/{identity}", "give_up_import"),
    "imports.of_path": Edges("/datasets/new", "begin_import"),
    "imports.of_upload": Edges("/datasets/new", "begin_import"),
    "imports.unfinished": Edges("/", "list_imports"),
    "judged.Judged.boxes": Edges(RESULT, "list_predictions"),
    "judged.Judged.counted": Edges(RESULT, "count_confusion"),
    "judged.Judged.feed": Edges(RESULT, "list_feed"),
    "judged.Judged.picture": Edges("/files/runs/{identity}/images/{row}.jpg", "get_picture"),
    "judged.Judged.probabilities": Edges(RESULT, "list_predictions"),
    "names.rename": Edges("/analyses/{identity}/runs", "change_run"),
    "names.write_notes": Edges("/analyses/{identity}/runs", "change_run"),
    "outlook.outlook": Edges(ANALYSIS, "get_design", "train"),
    "outlook.parts": Edges(ANALYSIS, "get_design"),
    "runs.create": Edges(ANALYSIS, "create_run", "train"),
    "runs.folder": Edges("/files/runs/{identity}/{name}", "get_report_page", "train"),
    "runs.info": Edges(RUN, "list_runs"),
    "runs.resume": Edges(RUN, "resume_run", "resume"),
    "runs.runs": Edges("/", "list_runs"),
    "runs.stop": Edges(RUN, "stop_run"),
    "runs.to_compare": Edges("/compare", "compare_runs", "compare"),
    "runs.use_threshold": Edges(RESULT, "use_threshold"),
    "saved.activate": Edges(MODEL, "activate_version"),
    "saved.active_folder": Edges(None, "try_saved_model"),
    "saved.deploy": Edges(RESULT, "deploy_run"),
    "saved.origin": Edges(MODEL, "get_saved_model"),
    "saved.roll_back": Edges(MODEL, "roll_back"),
    "saved.saved_models": Edges(MODELS, "list_saved_models"),
    "saved.versions": Edges(MODEL, "get_saved_model"),
    "saved.zipped": Edges("/files/models/{identity}/{number}.zip", "download_version"),
    "standing.now": Edges(RUN, "get_run"),
    "system.back_up": Edges(SYSTEM, "back_up"),
    "system.backup": Edges("/files/backups/{name}", "get_backup"),
    "system.backups": Edges(SYSTEM, "list_backups"),
    "system.clear_caches": Edges(SYSTEM, "clear_caches"),
    "system.disk": Edges(SYSTEM, "get_disk"),
    "system.versions": Edges(SYSTEM, "list_versions"),
    "texts.command": Edges(ANALYSIS, "get_command"),
    "texts.from_text": Edges(ANALYSIS, "replace_design_text", "train"),
    "trash.discard": Edges("/analyses/{identity}/runs", "delete_run"),
    "trash.items": Edges(SYSTEM, "list_trash"),
    "trash.remove": Edges(SYSTEM, "remove_item"),
    "trash.restore": Edges(SYSTEM, "restore_item"),
    "trials.look": Edges(TRY, "try_run", "predict"),
    "uploads.begin": Edges("/datasets/new", "begin_upload"),
    "uploads.receive": Edges("/datasets/new", "receive_file"),
    "uploads.sent": Edges("/datasets/new", "get_upload"),
    "weight_files.receive": Edges("/weights", "receive_weights"),
}

NONE = {
    "access.verify": "done by the guard",
    "adopting.adopt": "done when the server starts",
    "analyses.get_value": "a plain value",
    "analyses.require_weights": "a part of `analyses.change` and `runs.create`",
    "analyses.setting_names": "a plain value",
    "analyses.values_of": "a part of `analyses.design_of`",
    "analyses.with_value": "a plain value",
    "batches.recall": "done when the server starts",
    "batches.stop_all": "done when the server ends",
    "outlook.parts_of": "a part of `outlook.outlook`",
    "calibration.machine_speed": "a part of `outlook.outlook`",
    "calibration.uncorrected": "a part of `outlook.outlook`",
    "datasets.add": "done by an import",
    "datasets.add_samples": "done when the server starts",
    "datasets.grouped": "a part of `outlook.outlook`",
    "datasets.source": "a plain value",
    "datasets.summary": "`datasets.index` in short",
    "gallery.pictures": "a part of the page",
    "datasets.keep": "a part of an import",
    "judged.Judged.view": "a plain value",
    "library.new_id": "a plain value",
    "library.write": "a part of others",
    "outlook.rates": "a drawing of a design",
    "outlook.seconds_per_epoch": "a part of `outlook.outlook`",
    "previews.kept": "a part of the page of a design",
    "runs.claim": "done by the jobs",
    "runs.set_state": "done by the jobs",
    "runs.unfinished": "done by the jobs",
    "trials.begin": "a part of the page /runs/{identity}/try",
    "trials.end": "a part of the page /runs/{identity}/try",
    "trials.found": "a part of `trials.look`",
    "trials.get": "a part of the page /runs/{identity}/try",
    "trials.load": "a part of the page /runs/{identity}/try",
    "trials.look_at_sample": "of the page only: a program sends the bytes of the image to `try_run`",
    "uploads.folder_of": "a part of an import",
    "zips.inside": "a part of an upload",
    "zips.is_zip": "a plain value",
    "zips.unpack": "a part of an import",
    "datasets.forget_sample": "a part of `trash.remove`",
    "history.chosen": "a part of `history.duplicate`",
    "history.entry": "a row of `history.entries`",
    "names.valid": "a check",
    "saved.folder": "a part of others",
    "saved.get_version": "one of `saved.versions`",
    "system.size": "a plain value",
    "trash.empty": "done by the server, once a day",
    "trash.places": "a part of others",
}
"""Public functions that are no use case, and why."""

OTHERS = {
    "get_dataset", "list_diagnostics", "get_analysis", "list_epochs", "list_events", "get_report",
    "get_model", "get_prediction_table", "list_models", "list_weights", "list_tasks", "get_design_schema",
    "get_version", "get_health", "list_latest", "get_log", "get_batch_table",
    "rename_analysis", "rename_saved_model", "change_version", "delete_dataset", "delete_analysis",
    "delete_saved_model",
}  # fmt: skip
"""Operations that read a row, a file or the catalogue as they are, or do for another noun what stands above."""


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
