"""The API, attacked from its own schema: no fault of the server, and every answer as it is documented."""

import contextlib

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from viewfinder.rest.app import ROUTERS, create_rest
from viewfinder.service.library import access, analyses, datasets, runs, saved, system, trash

pytestmark = pytest.mark.slow
EXAMPLES = 12  # of each kind, for each operation and thing
OPERATIONS = [route.name for router in ROUTERS for route in router.routes]
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]


@pytest.fixture(scope="module")
def schema(shown):
    """The API's schema, over a library with a finished run of each task. No job is running: no training starts."""
    schemathesis = pytest.importorskip("schemathesis")
    return schemathesis.openapi.from_asgi("/openapi.json", create_rest(shown))


@pytest.fixture(scope="module")
def known(shown):
    """What of a request is fixed to what is there, by the beginning of the path or by operation."""
    ids = {"datasets": [row.id for row in datasets.datasets(shown)], "runs": [row.id for row in runs.runs(shown)]}
    ids["analyses"] = [row.id for row in analyses.analyses(shown)]
    ids["saved-models"] = [saved.deploy(shown, row, name=row.name).saved_model_id for row in runs.runs(shown)[:1]]
    ids["tokens"] = [access.create(shown, "fuzz").row.id]
    paths = {noun: [{"path_parameters": {"identity": one}} for one in found] for noun, found in ids.items()}
    bodies = {
        "create_analysis": [{"body": {"dataset": one}} for one in ids["datasets"]],
        "create_run": [{"body": {"analysis": one}} for one in ids["analyses"]],
    }
    designs = [{**one, "headers": {"If-Match": "*"}} for one in paths["analyses"]]
    none = {name: [] for name in ("try_run", "try_saved_model")}  # with a model that is there, an engine would start
    bodies["compare_runs"] = [{"query": {"run": ids["runs"]}}]
    bodies["get_backup"] = [{"path_parameters": {"name": system.back_up(shown).name}}]
    changed = dict.fromkeys(("change_design", "replace_design", "replace_design_text"), designs)
    return {**paths, **bodies, **none, **changed}


@pytest.fixture(autouse=True)
def restored(shown):
    """What an operation deletes is there again for the next one."""
    yield
    for item in trash.items(shown):
        trash.restore(shown, item.kind, item.id)


def attack(strategy):
    """Send what a strategy makes, and return the statuses of the answers."""
    from schemathesis import checks

    statuses = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def send(case):
        statuses.append(case.call_and_validate(checks=checks.CHECKS.get_by_names(CHECKS)).status_code)

    with contextlib.suppress(Unsatisfiable):  # where nothing is asked for, nothing can be wrong
        send()
    return statuses


@pytest.mark.parametrize("name", OPERATIONS)
def test_whatever_is_sent_the_answer_is_documented(schema, known, name):
    from schemathesis import GenerationMode

    operation = schema.find_operation_by_id(name)
    noun = operation.path.split("/")[1]
    there = known[name] if name in known else (known.get(noun, []) if "{identity}" in operation.path else [])
    right = [attack(operation.as_strategy(GenerationMode.POSITIVE, **fixed)) for fixed in ({}, *there)]
    wrong = [attack(operation.as_strategy(GenerationMode.NEGATIVE, **fixed)) for fixed in ({}, *there)]
    assert all(right), "nothing was sent"
    assert not {code for codes in wrong for code in codes if code >= 500}
