"""Analyses and their designs: read with an ETag, changed only by who saw what is there."""

import pytest

from viewfinder.service.library import datasets


@pytest.fixture
def analysis(api, library, colors):
    """The id of an analysis with the default design."""
    made = api.post("/analyses", json={"dataset": datasets.add(library, colors).id, "name": "Which color?"})
    assert (made.status_code, made.headers["location"]) == (201, f"/analyses/{made.json()['id']}")
    return made.json()["id"]


@pytest.fixture
def design(api, analysis):
    """design(method, body, seen): ask for the design of the analysis, or change it."""

    def ask(method="GET", body=None, seen=None):
        headers = {} if seen is None else {"If-Match": seen}
        return api.request(method, f"/analyses/{analysis}/design", json=body, headers=headers)

    return ask


def test_an_analysis_is_made_and_found(api, analysis):
    one = api.get(f"/analyses/{analysis}").json()
    assert (one["name"], one["version"]) == ("Which color?", 1)
    assert api.get("/analyses").json() == {"items": [one], "total": 1, "next": None}
    assert api.post("/analyses", json={"dataset": "gone"}).status_code == 404


def test_a_design_is_read_with_what_follows_from_it(design):
    answer = design()
    assert answer.headers["etag"] == '"1"'
    read = answer.json()
    assert (read["version"], read["chosen"], read["obstacle"]) == (1, {"task": "classification"}, None)
    assert read["whole"]["training"]["epochs"] == 50  # auto, resolved
    assert read["outlook"]["counts"] == {"train": 24, "validation": 0, "test": 6}
    assert read["outlook"]["sentence"].startswith("Retrains ")
    least, most = read["outlook"]["seconds"]
    assert least < most
    assert f", {round(least)} to {round(most)} s here." in read["outlook"]["sentence"] or most >= 100


def test_values_are_changed_together_and_go_back_to_the_default(design):
    changed = design(
        "PATCH", {"training.schedule.step_size": 3, "training.schedule.kind": "step", "split.seed": 4}, '"1"'
    )
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert changed.json()["chosen"]["training"] == {"schedule": {"kind": "step", "step_size": 3}}
    back = design("PATCH", {"training.schedule": None}, '"2"')
    assert back.json()["chosen"] == {"task": "classification", "split": {"seed": 4}}
    assert design().json() == back.json()


def test_only_who_saw_the_design_may_change_it(design):
    assert design("PATCH", {"training.epochs": 3}).status_code == 428
    assert design("PUT", {}).status_code == 428
    assert design("PATCH", {"training.epochs": 3}, '"1"').status_code == 200
    for method, body in (("PATCH", {"split.seed": 1}), ("PUT", {"training": {"epochs": 9}})):
        late = design(method, body, '"1"')
        assert late.status_code == 412
        assert "it is version 2 now, not 1" in late.json()["detail"]
        for seen in ('"x"', "2", 'W/"2"', '"1", "2"'):
            odd = design(method, body, seen)
            assert odd.status_code == 412
            assert f"'{seen}' is no ETag of a design" in odd.json()["detail"]
    assert design().json()["chosen"]["training"] == {"epochs": 3}
    assert design("PATCH", {"split.seed": 1}, "*").headers["etag"] == '"3"'


def test_a_whole_design_takes_the_place_of_another(design):
    design("PATCH", {"training.epochs": 3}, '"1"')
    replaced = design("PUT", {"task": "classification", "training": {"batch_size": 4}}, '"2"')
    assert replaced.json()["chosen"] == {"task": "classification", "training": {"batch_size": 4}}
    other = design("PUT", {"task": "detection"}, '"3"')
    assert (other.status_code, other.json()["detail"]) == (
        422,
        "task: 'detection' is not possible: the images of 'Which color?' are for classification.",
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"training.epochs": 0}, "training.epochs: '0' is not possible"),
        ({"training.epoch": 3}, "Did you mean 'training.epochs'"),
        ({"nonsense": None}, "Unknown setting 'nonsense'"),
        ({"training.epochs.more": None}, "Unknown setting 'training.epochs.more'"),
        ({"split.seed": 2, "training.model": "effnet"}, "Unknown model 'effnet'"),
        ({}, "at least 1 item"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_command_line_and_nothing_is_saved(design, values, words):
    answer = design("PATCH", values, "*")
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert design().json()["version"] == 1


def test_weights_come_from_where_the_server_may_read(design, library, tmp_path):
    (tmp_path / "mine.pth").write_bytes(b"")
    for path, words in (
        ("/etc/passwd", "outside of what this server may read"),
        (f"{tmp_path}/gone.pth", "There is no"),
    ):
        library.data_roots = (tmp_path,)
        answer = design("PATCH", {"training.weights": path}, "*")
        assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.json()
    assert design("PATCH", {"training.weights": str(tmp_path / "mine.pth")}, "*").status_code == 200


def test_one_class_alone_is_an_obstacle_in_the_words_of_the_start(design):
    answer = design("PATCH", {"target.classes": ["red"]}, "*").json()
    assert answer["obstacle"].startswith("target.classes: 'red' alone: classification needs two classes or more.")


def test_a_design_file_is_put_in_place_and_becomes_a_command(api, analysis, design, colors):
    def put(text, seen):
        return api.put(f"/analyses/{analysis}/design.yaml", content=text, headers={"If-Match": seen})

    text = "# mine\ntraining:\n  model: efficientnet_lite0\n  epochs: 3\n"
    changed = put(text, '"1"')
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    assert changed.json() == design().json()
    assert changed.json()["chosen"]["training"] == {"model": "efficientnet_lite0", "epochs": 3}
    assert changed.json()["outlook"]["classes"]["red"] == {"train": 8, "validation": 0, "test": 2}
    assert put(text, '"1"').status_code == 412
    for wrong in ("training: {epochs: no}", "task: detection", "- 1", b"\xff"):
        refused = put(wrong, '"2"')
        assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    command = api.get(f"/analyses/{analysis}/command").json()["command"]
    assert command.startswith(f"viewfinder train {colors}")
    assert "--set training.epochs=3" in command
