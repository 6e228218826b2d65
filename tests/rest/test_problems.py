"""Whatever is sent, the answer has its form: problem+json, and never the server's fault."""

import pytest
from fastapi.testclient import TestClient

from viewfinder.rest.app import create_rest
from viewfinder.service.library import uploads

FORM = {"type", "title", "status", "detail"}


def is_problem(answer, status):
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert set(answer.json()) == FORM
    assert answer.json()["status"] == status
    return answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/datasets/gone", None, 404),
        ("GET", "/datasets/gone/images", None, 404),
        ("GET", "/imports/gone", None, 404),
        ("GET", "/analyses/gone/design", None, 404),
        ("GET", "/runs/gone/report.json", None, 404),
        ("GET", "/runs?analysis=gone", None, 404),
        ("GET", "/nothing", None, 404),
        ("GET", "/datasets/", None, 404),
        ("GET", "/datasets/a%00b", None, 422),
        ("GET", f"/datasets/{'a' * 5000}", None, 422),
        ("GET", "/datasets?limit=0", None, 422),
        ("GET", "/datasets?limit=201", None, 422),
        ("GET", f"/datasets?offset={10**40}", None, 422),
        ("GET", "/runs?state=lost", None, 422),
        ("POST", "/imports", {}, 422),
        ("POST", "/imports", {"path": "/etc"}, 422),
        ("POST", "/imports", {"path": 3}, 422),
        ("POST", "/imports", {"path": "a\0b"}, 422),
        ("POST", "/imports", {"path": "x" * 4000}, 422),
        ("POST", "/imports", {"path": "~nobody-of-that-name"}, 422),
        ("POST", "/imports", {"path": "a", "unknown": 1}, 422),
        ("POST", "/imports", {"upload": "../.."}, 404),
        ("POST", "/runs", {"analysis": "gone"}, 404),
    ],
)
def test_problems_have_their_form(api, method, path, body, status):
    is_problem(api.request(method, path, json=body), status)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/datasets", "GET"),
        ("/analyses", "GET, POST"),
        ("/analyses/a/design", "GET, PATCH, PUT"),
        ("/imports", "GET, POST"),
    ],
)
def test_a_method_that_is_not_there_says_which_are(api, path, allowed):
    answer = api.delete(path)
    assert allowed in is_problem(answer, 405)
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"path": NaN}', 400),
        (b'{"path": Infinity}', 400),
        (b'{"path": "\\ud800"}', 400),
        (b'{"path": "\xff"}', 400),
        (b'{"path": "\xed\xa0\x80"}', 400),
        (b"[" * 100_000, 400),
        (b'{"path": ' + b"9" * 5000 + b"}", 400),
        (b'{"path": 1e999}', 422),
        (b"", 422),
        (b"null", 422),
        (b'{"path": "' + b"x" * (1 << 20) + b'"}', 413),
    ],
)
def test_a_body_that_is_no_json_is_refused(api, body, status):
    is_problem(api.post("/imports", content=body, headers={"Content-Type": "application/json"}), status)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", None])
def test_a_body_of_another_type_is_refused(api, kind):
    headers = {"Content-Type": kind} if kind else {}
    assert "Send application/json" in is_problem(api.post("/imports", content=b"path=x", headers=headers), 415)


def test_names_of_files_are_names(api, library):
    identity = api.post("/uploads").json()["id"]
    for name in ("a%00b", "..%2Fx", "%2Fetc%2Fx", "x" * 300, "/".join("x" * 3000)):
        is_problem(api.put(f"/uploads/{identity}/files/{name}", content=b"x"), 422)
    assert [path for path in uploads.folder_of(library, identity).rglob("*") if path.is_file()] == []


def test_a_fault_of_the_server_tells_nothing_of_its_inside(library):
    library.database.close()
    (library.home / "viewfinder.db").write_bytes(b"no database at all, which is nobody's plan " * 100)
    for left in ("viewfinder.db-wal", "viewfinder.db-shm"):
        (library.home / left).unlink(missing_ok=True)
    with TestClient(create_rest(library), raise_server_exceptions=False) as api:
        assert "database" not in is_problem(api.get("/datasets"), 500)


def test_the_schema_documents_itself(api):
    schema = api.get("/openapi.json").json()
    operations = [one for path in schema["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    assert all(one["summary"] and one["description"] for one in operations)
    assert "HTTPValidationError" not in str(operations)
    bodies = [
        one["requestBody"]["content"]["application/json"]
        for one in operations
        if "requestBody" in one and "application/json" in one["requestBody"]["content"]
    ]
    assert bodies
    assert schema["paths"]["/analyses/{identity}/design"]["put"]["requestBody"]["content"]["application/json"][
        "schema"
    ] == {"$ref": "#/components/schemas/Design"}
