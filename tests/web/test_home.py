"""What Home shows."""

from viewfinder.service.library import analyses, datasets
from viewfinder.store import Run
from viewfinder.web import home


def test_what_runs_comes_first_then_what_starts_next(library, colors):
    analysis = analyses.create(library, datasets.add(library, colors))
    states = {"over": "finished", "resumed": "queued", "now": "running", "next": "queued", "last": "queued"}
    with library.database.writing() as session:
        for created, (name, state) in enumerate(states.items()):
            session.add(Run(name, analysis.id, name, f"runs/{name}", state, float(created)))
    assert [run.name for run in home.content(library).unfinished] == ["now", "resumed", "next", "last"]
