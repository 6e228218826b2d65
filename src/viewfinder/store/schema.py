"""The tables: what is kept beside the files. One class is the row, its columns, and the value that is handed around."""

from typing import Any

from sqlalchemy import JSON, ForeignKey, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column


class Base(MappedAsDataclass, DeclarativeBase):
    """What all rows share. `id` is short and random; times are in seconds since 1970 (UTC)."""

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
    """An imported source. Its index is `datasets/<id>/dataset.parquet`; `sample` names the sample it is, if any."""

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
