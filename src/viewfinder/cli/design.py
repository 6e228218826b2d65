"""The command `design`."""

from viewfinder.cli.options import ImageColumn, Json, Settings, SourcePath, TargetColumn, Task, source_of
from viewfinder.cli.output import document, show


def design(
    source: SourcePath,
    settings: Settings = None,
    task: Task = None,
    image_column: ImageColumn = None,
    target_column: TargetColumn = None,
    json: Json = False,
) -> None:
    """Print the design proposed for SOURCE.

    It has a comment on every setting. Save it, change what you like, and give it to `train --design`.
    """
    from viewfinder import design_file
    from viewfinder.service.designs import default_design

    proposed = default_design(source_of(source, task, image_column, target_column), settings or ())
    if json:
        document(proposed.model_dump(mode="json"))
    else:
        show(design_file.dumps(proposed).rstrip("\n"))
