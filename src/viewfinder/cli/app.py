"""All commands, in the order in which `viewfinder --help` lists them."""

import typer

from viewfinder.cli import data, demo, design, judging, models, serve, training

app = typer.Typer(
    name="viewfinder",
    help="Train computer-vision models without any code: image classification and object detection.",
    epilog="Start with `viewfinder demo`, or with `viewfinder train FOLDER` on images of your own.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"viewfinder {version('viewfinder')}")
        raise typer.Exit


@app.callback()
def _viewfinder(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


app.command()(demo.demo)
app.command()(serve.serve)
app.command()(data.sample)
app.command()(data.check)
app.command()(design.design)
app.command()(training.train)
app.command()(training.resume)
app.command()(judging.evaluate)
app.command()(judging.predict)
app.command()(judging.compare)
app.command()(models.models)
app.add_typer(models.weights, name="weights")
