"""Commands as a user types them: results on stdout, progress on stderr, exit codes, golden messages."""

import json
import sys
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from viewfinder import cli, design_file
from viewfinder.service.designs import default_design


@pytest.fixture
def type_in(capsys):
    """Run a command; returns (exit code, stdout, stderr)."""

    def run(*words):
        code = cli.run([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_check_says_what_is_there(type_in, colors, squares):
    code, out, _ = type_in("check", colors)
    assert code == 0
    assert out.splitlines()[0] == "colors: folder per class, classification, 30 images, 3 classes"
    assert "\nblue       10\n" in out
    assert out.endswith(f"Nothing is wrong with it.\nNext: viewfinder train {colors}\n")
    code, out, _ = type_in("check", squares, "--json")
    report = json.loads(out)
    assert (code, report["task"], report["images"], report["classes"][0]["objects"]) == (0, "detection", 12, 6)


@pytest.mark.parametrize("out", [True, False])
def test_ctrl_c_in_a_prediction_says_what_stays(type_in, colors_run, colors, tmp_path, monkeypatch, out):
    def stopped(command, folder, told):
        parts = json.loads((folder.path / "request.json").read_text(encoding="utf-8"))["parts"]
        (Path(parts) / "part-000000012.parquet").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("viewfinder.service.launch.follow", stopped)
    told = type_in("predict", colors_run.path, colors, *(["--out", tmp_path / "table.csv"] if out else []))
    goes_on = " The same command goes on from there." if out else ""
    assert told == (130, "", f"Stopped after 12 of 30 images.{goes_on}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_names_with_line_breaks_stay_on_their_line(type_in, tmp_path):
    for name in ("a\nb", "c\x1b[31m"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in (1, 2):
            Image.new("L", (9, 9), number).save(tmp_path / "set" / name / f"{number}\n.png")
    (tmp_path / "set" / "a\nb" / "bad\n.png").touch()
    out = type_in("check", tmp_path / "set")[1]
    assert ("\na\\nb " in out, "\nc\\x1b[31m " in out, "\n  a\\nb/bad\\n.png: " in out) == (True, True, True)


def test_check_lists_what_is_wrong(type_in, tmp_path, colors):
    import shutil

    shutil.copytree(colors, tmp_path / "mine")
    (tmp_path / "mine" / "red" / "bad.jpg").write_bytes(b"no image")
    code, out, _ = type_in("check", tmp_path / "mine")
    assert code == 0
    assert "Left out: corrupt image (1)\n  red/bad.jpg: " in out


def test_check_says_what_cannot_be_trained(type_in, tmp_path, colors):
    import shutil

    shutil.copytree(colors / "red", tmp_path / "one" / "red")
    code, out, _ = type_in("check", tmp_path / "one")
    assert code == 0
    assert out.splitlines()[-1].startswith("It cannot be trained as it is: ")
    assert json.loads(type_in("check", tmp_path / "one", "--json")[1])["obstacle"]


def test_evaluate_refuses_a_folder_that_cannot_be_written_before_it_works(type_in, colors_run, colors, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    code, out, err = type_in("evaluate", colors_run.path, colors, "--out", tmp_path / "file" / "x")
    assert (code, out) == (2, "")
    assert "cannot be written" in err.splitlines()[-1]


def test_design_prints_what_can_be_given_back(type_in, colors, tmp_path):
    code, out, err = type_in("design", colors)
    assert (code, err) == (0, "")
    assert out.startswith("task: classification ")
    assert design_file.parse(design_file.loads(out)) == default_design(colors)
    code, out, _ = type_in("design", colors, "--json", "--set", "training.epochs=3")
    assert (code, json.loads(out)["training"]["epochs"]) == (0, 3)


def test_sample_writes_once(type_in, tmp_path):
    code, out, _ = type_in("sample", "digits", tmp_path / "my digits")
    assert (code, out.endswith(f"Next: viewfinder train '{tmp_path / 'my digits'}'\n")) == (0, True)
    assert len(list((tmp_path / "my digits").rglob("*.png"))) == 1797
    code, out, err = type_in("sample", "digits", tmp_path / "my digits")
    assert (code, out) == (2, "")
    assert "not an empty folder" in err


def test_models_and_weights_list(type_in):
    code, out, _ = type_in("models")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:7]] == [
        "efficientnet_b0", "efficientnet_b4", "efficientnet_b7", "efficientnet_lite0", "fasterrcnn_resnet50_fpn",
        "fasterrcnn_efficientnet_lite0_fpn",
    ]  # fmt: skip
    assert {row["name"]: row["default"] for row in json.loads(type_in("models", "--json")[1])}["efficientnet_b4"]
    files = json.loads(type_in("weights", "list", "--json")[1])
    here = {row["file"]: row["path"] is not None for row in files}
    assert here["efficientnet-lite0-57934424.pth"]
    assert not here["efficientnet_b4_rwightman-23ab8bcd.pth"]
    assert "fetched when needed from https://download.pytorch.org/models/" in type_in("weights", "list")[1]


def test_predict_prints_a_table_or_json(type_in, colors_run, colors, tmp_path):
    image = colors / "red" / "red 0.png"
    code, out, err = type_in("predict", colors_run.path, image)
    assert (code, err) == (0, "")
    header, row = out.splitlines()
    assert header.split() == ["image", "prediction", "probability"]
    assert row.startswith(str(image))
    document = json.loads(type_in("predict", colors_run.path, image, "--json", "--out", tmp_path / "p.csv")[1])
    assert row.split()[-1] == f"{max(v for k, v in document['predictions'][0].items() if k.startswith('proba')):.4f}"
    assert document["left_out"] == []
    assert pl.read_csv(tmp_path / "p.csv").height == 1


def test_predict_prints_boxes(type_in, squares_run, squares):
    code, out, _ = type_in("predict", squares_run.path, squares / "0.png", "--threshold", "0.2")
    assert code == 0
    assert out.splitlines()[0].split("  ")[0] == "image"
    assert " [" in out.splitlines()[1]


def test_evaluate_and_compare(type_in, colors_run, colors, tmp_path):
    code, out, _ = type_in("evaluate", colors_run.path, colors, "--out", tmp_path / "evaluation")
    assert code == 0
    assert out.startswith("Metrics on colors (30 images):\n  ROC AUC ")
    assert f"Report: {tmp_path / 'evaluation' / 'report.html'}" in out
    code, out, _ = type_in("compare", colors_run.path, colors_run.path)
    assert code == 0
    assert out.startswith(f"A: {colors_run.path}\nB: {colors_run.path}\n")
    assert "The designs are the same." in out
    assert "B against A: 6 shared test images: too few to tell (30 at least).\n" in out
    assert "epoch  A test roc_auc  B test roc_auc" in out
    assert json.loads(type_in("compare", colors_run.path, colors_run.path, "--json")[1])["task"] == "classification"


NO_RUN = "`viewfinder train SOURCE` makes one.\n"
WRONG = [
    (["trian"], "No such command 'trian'. Did you mean 'train'?\n`viewfinder --help` shows what can be said.\n"),
    (["train"], "Missing argument 'SOURCE'.\n`viewfinder train --help` shows what can be said.\n"),
    (["models", "--jsn"], "--json"),
    (["resume", "{tmp}", "--epochs", "0"], "--epochs"),
    (["check", "{tmp}/nowhere"], "There is no '{tmp}/nowhere': '{tmp}' has no 'nowhere'.\n"),
    (
        ["sample", "digit", "{tmp}/x"],
        "Unknown sample 'digit'. Choose one of: digits, digit-scenes. Did you mean 'digits'?\n",
    ),
    (
        ["train", "{colors}", "--set", "training.epochs=many"],
        "training.epochs: 'many' is not possible; it must be a whole number (or auto).\n",
    ),
    (["train", "{colors}", "--design", "{tmp}/no.yaml"], "The design file '{tmp}/no.yaml' does not exist.\n"),
    (
        ["train", "{colors}", "--set", "training.weights={tmp}/no.pth"],
        "training.weights: the file '{tmp}/no.pth' does not exist.",
    ),
    (["resume", "{tmp}"], "'{tmp}' is not a run folder: it has no run.json. " + NO_RUN),
    (["predict", "{tmp}/nowhere", "x.png"], "'{tmp}/nowhere' does not exist. " + NO_RUN),
    (["compare", "{run}"], "compare takes two or more runs.\n"),
    (["weights", "add", "{tmp}/no.pth"], "The weight file '{tmp}/no.pth' does not exist.\n"),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_wrong_input_gives_one_message_and_exit_code_2(type_in, colors, colors_run, tmp_path, words, message):
    places = {"tmp": tmp_path, "colors": colors, "run": colors_run.path}
    code, out, err = type_in(*(word.format(**places) for word in words))
    assert (code, out) == (2, "")
    assert err.startswith("viewfinder: error: ")
    assert message.format(**places) in err
    assert "Traceback" not in err


def test_a_chosen_model_without_weights_is_refused(type_in, colors, tmp_path):
    words = ["--set", "training.model=efficientnet_b7", "--out", tmp_path / "run"]
    code, out, err = type_in("train", colors, *words)
    assert (code, out) == (2, "")
    for part in (
        "The pretrained weights of efficientnet_b7 cannot be had.",
        "Put the file efficientnet_b7_lukemelas-c5b4e57e.pth",
        "--set training.model=efficientnet_lite0",
    ):
        assert part in err
    assert not (tmp_path / "run").exists()


def test_without_words_the_help_is_shown(type_in):
    code, out, err = type_in()
    assert (code, out) == (2, "")
    assert err.startswith("Usage: viewfinder")
    assert type_in("--version")[1].startswith("viewfinder ")


def test_a_name_that_no_system_allows(type_in, colors, tmp_path):
    long = tmp_path / ("x" * 300)
    for words in (("train", colors, "--out", long), ("predict", long, colors), ("sample", "digits", long)):
        code, out, told = type_in(*words)
        assert (code, out, told.count("\n")) == (2, "", 1)
        assert "is longer than this system allows" in told


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "example.org", "::"])
def test_the_pages_are_not_served_to_other_machines(type_in, host):
    code, out, told = type_in("serve", "--host", host)
    assert (code, out) == (2, "")
    assert told.startswith(
        f"viewfinder: error: --host {host}: other machines could use the pages, so it takes a password"
    )
