"""The guard, in process: every rule for requests and websockets."""

import asyncio

import pytest
from fastapi import FastAPI, WebSocket
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from viewfinder.rest.app import create_rest
from viewfinder.service.library import access
from viewfinder.service.library.library import Library
from viewfinder.service.library.sessions import KEPT_S, Sessions
from viewfinder.web.guard import COOKIE, Entry, Guard, nonce_of
from viewfinder.web.sign_in import add_sign_in, local
from viewfinder.web.sockets import Sockets

PASSWORD = "correct horse"
HOST = "photos.example"
HERE = {"Origin": f"http://{HOST}"}
HTML = {"Accept": "text/html,*/*"}


def application(library, entry):
    app, sockets = FastAPI(), Sockets()
    app.mount("/api/v1", create_rest(library))
    add_sign_in(app, entry, sockets)

    @app.get("/healthz")
    def _health():
        return PlainTextResponse("ok")

    @app.get("/page")
    def _page():
        return PlainTextResponse("inside")

    @app.post("/page")
    def _change():
        return PlainTextResponse("changed")

    @app.get("/own")
    def _own():
        return PlainTextResponse("report", headers={"Content-Security-Policy": "sandbox"})

    @app.get("/broken")
    def _broken():
        raise RuntimeError("on purpose")

    @app.websocket("/socket")
    async def _socket(socket: WebSocket):
        await socket.accept()
        async for text in socket.iter_text():
            await socket.send_text(text)

    @app.websocket("/ticks")
    async def _ticks(socket: WebSocket):
        await socket.accept()
        text = await socket.receive_text()
        for _ in range(500):
            await socket.send_text(text)
            await asyncio.sleep(0.01)

    return Guard(app, entry, sockets)


def client(app, host=HOST):
    return TestClient(app, base_url=f"http://{host}", follow_redirects=False, raise_server_exceptions=False)


def socket_of(client):
    return str(client.base_url.copy_with(scheme="ws", path="/socket"))


@pytest.fixture
def entry(library):
    return Entry(
        frozenset({HOST}), Sessions(library, PASSWORD), lambda secret: access.verify(library, secret) is not None
    )


@pytest.fixture
def app(library, entry):
    """With sign-in."""
    return application(library, entry)


@pytest.fixture
def guest(app):
    return client(app)


@pytest.fixture
def signed_in(app):
    made = client(app)
    assert made.post("/sign-in", data={"password": PASSWORD}, headers=HERE).status_code == 303
    return made


@pytest.fixture
def at_home(library):
    """On loopback, without sign-in."""
    return client(application(library, Entry()), "127.0.0.1:8000")


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost:8000", 200),
        ("LOCALHOST", 200),
        ("localhost.:8000", 200),
        ("[::1]:8000", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("evil.example:127.0.0.1", 400),
        ("192.168.1.5", 400),
        ("", 400),
    ],
)
def test_only_its_own_names_lead_to_the_server(at_home, host, status):
    assert at_home.get("/page", headers={"Host": host}).status_code == status
    assert at_home.get("/healthz", headers={"Host": host}).status_code == status


def test_the_address_that_was_called_is_always_a_name(library):
    app = application(library, Entry(frozenset({"0.0.0.0"})))

    async def called_at(scope, receive, send):
        await app({**scope, "server": ("::ffff:192.168.1.5", 8000)}, receive, send)

    assert client(called_at, "192.168.1.5:8000").get("/page").status_code == 200
    assert client(called_at, "192.168.1.6:8000").get("/page").status_code == 400
    assert client(called_at, "evil.example").get("/page").status_code == 400


def test_a_websocket_under_another_name_is_closed(at_home):
    with at_home.websocket_connect(socket_of(at_home)) as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "hello"
    with (
        pytest.raises(WebSocketDisconnect),
        at_home.websocket_connect(socket_of(at_home), headers={"Host": "evil.example"}),
    ):
        pass


def test_the_api_says_it_as_a_problem(at_home):
    answer = at_home.get("/api/v1/datasets", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert "evil.example" in answer.json()["detail"]


# -- who it is --------------------------------------------------------------------------------------------------------


def test_on_loopback_nobody_signs_in(at_home):
    assert at_home.get("/page").text == "inside"
    assert at_home.get("/api/v1/datasets").json()["items"] == []
    assert at_home.get("/sign-in").headers["location"] == "/"


def test_without_a_session_a_browser_is_led_to_the_sign_in(guest):
    answer = guest.get("/page?a=1&b=%2F", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Fpage%3Fa%3D1%26b%3D%252F")
    form = guest.get(answer.headers["location"])
    assert (form.status_code, 'value="/page?a=1&amp;b=%2F"' in form.text) == (200, True)
    signed_in = guest.post("/sign-in", data={"password": PASSWORD, "next": "/page?a=1"}, headers=HERE)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/page?a=1")
    assert guest.get("/page?a=1").text == "inside"


def test_without_a_session_the_api_and_files_answer_401(guest):
    answer = guest.get("/api/v1/datasets", headers=HTML)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert guest.get("/page", headers={"Accept": "image/*"}).status_code == 401
    assert guest.post("/page", headers=HTML).status_code == 401
    with pytest.raises(WebSocketDisconnect), guest.websocket_connect(socket_of(guest), headers=HERE):
        pass


def test_some_addresses_are_open(guest):
    assert guest.get("/healthz").text == "ok"
    assert guest.get("/sign-in").status_code == 200
    assert guest.get("/favicon.ico").status_code == 404  # NiceGUI's, in the whole application
    assert guest.get("/sign-in/", headers=HTML).status_code == 303
    assert guest.post("/sign-out", headers=HERE).status_code == 401


def test_a_token_opens_the_api(guest, library):
    made = access.create(library, "a program")
    bearer = {"Authorization": f"Bearer {made.secret}"}
    assert guest.get("/api/v1/datasets", headers=bearer).json()["items"] == []
    assert guest.post("/api/v1/uploads", headers=bearer).status_code == 201  # without an Origin
    assert guest.post("/api/v1/uploads", headers={**bearer, "Origin": "http://evil.example"}).status_code == 403
    for wrong in ("Bearer x", "Bearer ", "Basic " + made.secret, made.secret):
        assert guest.get("/api/v1/datasets", headers={"Authorization": wrong}).status_code == 401
    access.revoke(library, made.row.id)
    assert guest.get("/api/v1/datasets", headers=bearer).status_code == 401


def test_a_server_with_tokens_only_says_so(library):
    made = client(application(library, Entry(frozenset({HOST}), None, lambda secret: secret == "right")))
    assert made.get("/page", headers={"Authorization": "Bearer right"}).text == "inside"
    assert "without a password" in made.get("/sign-in").text
    assert made.post("/sign-in", data={"password": ""}, headers=HERE).headers["location"] == "/sign-in"
    assert made.get("/page").status_code == 401


# -- where it was sent from -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # no browser
        ({"Origin": "http://127.0.0.1:8000"}, 200),
        ({"Origin": "http://127.0.0.1:9000"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:8000.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_other_sites_change_nothing_and_open_no_websocket(at_home, headers, status):
    assert at_home.post("/page", headers=headers).status_code == status
    assert at_home.get("/page", headers=headers).status_code == 200
    if status == 200:
        with at_home.websocket_connect(socket_of(at_home), headers=headers):
            pass
    else:
        with pytest.raises(WebSocketDisconnect), at_home.websocket_connect(socket_of(at_home), headers=headers):
            pass


def test_with_a_session_the_origin_must_be_named(signed_in):
    assert signed_in.post("/page", headers=HERE).text == "changed"
    assert signed_in.post("/page").status_code == 403
    answer = signed_in.put("/api/v1/datasets", headers={"Origin": "http://evil.example"})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    with signed_in.websocket_connect(socket_of(signed_in), headers=HERE):
        pass
    with pytest.raises(WebSocketDisconnect), signed_in.websocket_connect(socket_of(signed_in)):
        pass


# -- sign-in ----------------------------------------------------------------------------------------------------------


def test_the_cookie_is_kept_from_scripts_and_other_sites(app, guest):
    cookie = guest.post("/sign-in", data={"password": PASSWORD}, headers=HERE).headers["set-cookie"]
    parts = {part.strip().lower() for part in cookie.split(";")}
    assert {"httponly", "samesite=lax", "path=/", f"max-age={int(KEPT_S)}"} <= parts
    assert "secure" not in parts
    safe = TestClient(app, base_url=f"https://{HOST}", follow_redirects=False)
    cookie = safe.post("/sign-in", data={"password": PASSWORD}, headers={"Origin": f"https://{HOST}"})
    assert "secure" in cookie.headers["set-cookie"].lower()


def test_a_wrong_password_gets_nothing(guest):
    for wrong in ("", "wrong horse", PASSWORD + " ", "x" * 100_000):
        answer = guest.post("/sign-in", data={"password": wrong}, headers=HERE)
        assert (answer.status_code, COOKIE in answer.cookies) == (401, False)
        assert 'role="alert"' in answer.text
    assert guest.post("/sign-in", data={"password": PASSWORD}, headers={"Origin": "http://evil"}).status_code == 403


def test_after_five_wrong_attempts_even_the_right_one_waits(guest):
    for _ in range(5):
        assert guest.post("/sign-in", data={"password": "wrong horse"}, headers=HERE).status_code == 401
    answer = guest.post("/sign-in", data={"password": PASSWORD}, headers=HERE)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert COOKIE not in answer.cookies


def test_signing_out_ends_the_session_and_its_websockets(app, signed_in):
    stolen = client(app)
    stolen.cookies.update(signed_in.cookies)
    other = client(app)
    other.post("/sign-in", data={"password": PASSWORD}, headers=HERE)
    with signed_in, signed_in.websocket_connect(socket_of(signed_in), headers=HERE) as mine:  # all on one event loop
        answer = signed_in.post("/sign-out", headers=HERE)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        with pytest.raises(WebSocketDisconnect):
            mine.receive_text()
    assert signed_in.get("/page").status_code == 401
    assert stolen.get("/page").status_code == 401
    with pytest.raises(WebSocketDisconnect), stolen.websocket_connect(socket_of(stolen), headers=HERE):
        pass
    assert other.get("/page").text == "inside"
    with other.websocket_connect(socket_of(other), headers=HERE) as theirs:
        theirs.send_text("still there")
        assert theirs.receive_text() == "still there"


@pytest.mark.parametrize("path", ["/socket", "/ticks"], ids=["the browser speaks", "the server speaks"])
def test_a_websocket_closes_when_its_session_is_over(tmp_path, path):
    now = [1000.0]
    library = Library.open(tmp_path / "home", lambda: now[0])
    made = client(application(library, Entry(frozenset({HOST}), Sessions(library, PASSWORD))))
    made.post("/sign-in", data={"password": PASSWORD}, headers=HERE)
    address = socket_of(made).replace("/socket", path)
    now[0] += KEPT_S - 1
    assert made.get("/session").status_code == 204
    with made, made.websocket_connect(address, headers=HERE) as socket:
        socket.send_text("still there")
        assert socket.receive_text() == "still there"
        now[0] += 1
        socket.send_text("too late")
        with pytest.raises(WebSocketDisconnect) as closed:
            all(socket.receive_text() == "still there" for _ in range(1000))
    assert closed.value.code == 1008
    assert made.get("/session").status_code == 401
    library.database.close()


@pytest.mark.parametrize(
    ("wanted", "led_to"),
    [
        ("/runs/1?a=b#c", "/runs/1?a=b#c"),
        ("", "/"),
        ("runs", "/"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/\n/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/sign-in?next=/runs", "/"),
        ("/sign-out", "/"),
    ],
)
def test_one_is_led_to_this_server_only(wanted, led_to):
    assert local(wanted) == led_to


def test_who_is_signed_in_is_not_asked_again(signed_in):
    answer = signed_in.get("/sign-in", params={"next": "/models"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/models")


def test_the_next_address_is_no_html(guest):
    text = guest.get("/sign-in", params={"next": '/"><script>alert(1)</script>'}).text
    assert "<script" not in text


# -- headers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/page", "/nowhere", "/sign-in", "/api/v1/datasets", "/api/v1/nowhere", "/broken"])
def test_every_answer_has_the_headers(at_home, guest, path):
    for asked in (at_home, guest):
        headers = asked.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe-inline" not in headers["content-security-policy"].partition("script-src")[2].partition(";")[0]


def test_what_has_a_policy_of_its_own_keeps_it(at_home):
    assert at_home.get("/own").headers["content-security-policy"] == "sandbox"


def test_the_nonce_is_another_each_time(at_home):
    policies = {at_home.get("/page").headers["content-security-policy"] for _ in range(3)}
    assert len(policies) == 3
    assert nonce_of({}) == ""
