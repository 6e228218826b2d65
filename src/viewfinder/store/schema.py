"""The tables: what is kept beside the files. One class is the row, its columns, and the value that is handed around."""

from typing import Any

from sqlalchemy import JSON, ForeignKey, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column


class Base(MappedAsDataclass, DeclarativeBase):
    """What all rows share. `id` is short and random; times are in seconds since 1970 (UTC).

    `trashed`: when it was moved to the trash; None: it was not.
    """

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {dict[str, Any]: JSON, list[str]: JSON}  # noqa: RUF012 - SQLAlchemy's own declaration


class Dataset(Base):
    """An imported source. Its index is `datasets/<id>/dataset.parquet`; `sample` names the sample it is, if any.

    `source` is the folder or file that was read, `root` the folder that the images' names begin at.
    """

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    task: Mapped[str]
    format: Mapped[str]
    root: Mapped[str]
    fingerprint: Mapped[str]
    images: Mapped[int]
    classes: Mapped[list[str]]
    created: Mapped[float]
    sample: Mapped[str | None] = mapped_column(default=None)
    trashed: Mapped[float | None] = mapped_column(default=None)
    source: Mapped[str] = mapped_column(default="")


class Analysis(Base):
    """One question asked of one dataset. `design` holds what the user chose, nested as in a design file.

    `version` grows with every change of the design, so that two who edit it notice each other.
    """

    __tablename__ = "analyses"

    id: Mapped[str] = mapped_column(primary_key=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    name: Mapped[str]
    created: Mapped[float]
    design: Mapped[dict[str, Any]]
    version: Mapped[int] = mapped_column(default=1)
    trashed: Mapped[float | None] = mapped_column(default=None)


class Run(Base):
    """A training: `folder` is its run folder. While `queued` this row decides; from the claim on, run.json does.

    `request` is the key of the click that asked for it: pressed twice, it starts once. `attempts` counts the starts.
    """

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(primary_key=True)
    analysis_id: Mapped[str] = mapped_column(ForeignKey("analyses.id"), index=True)
    name: Mapped[str]
    folder: Mapped[str]
    state: Mapped[str]
    created: Mapped[float]
    request: Mapped[str | None] = mapped_column(default=None, unique=True)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(default=None)
    notes: Mapped[str] = mapped_column(default="")
    trashed: Mapped[float | None] = mapped_column(default=None)


class SavedModel(Base):
    """A model with a name, in versions. `active` is the number of the version in use; None: none is."""

    __tablename__ = "saved_models"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    task: Mapped[str]
    created: Mapped[float]
    active: Mapped[int | None] = mapped_column(default=None)
    trashed: Mapped[float | None] = mapped_column(default=None)


class Version(Base):
    """A run's model as it was when it was deployed: a copy in `models/<saved model>/<number>/`, counted from 1."""

    __tablename__ = "versions"

    saved_model_id: Mapped[str] = mapped_column(ForeignKey("saved_models.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)
    created: Mapped[float]
    notes: Mapped[str] = mapped_column(default="")


class Token(Base):
    """What a program signs in with. `digest` is the SHA-256 of the token, which is shown once and kept nowhere."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    created: Mapped[float]
    used: Mapped[float | None] = mapped_column(default=None)
