"""Saved models, tokens, notes, and the trash."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    for table in ("datasets", "analyses", "runs"):
        op.add_column(table, sa.Column("trashed", sa.Double))
    op.add_column("datasets", sa.Column("source", sa.String, nullable=False, server_default=""))
    op.add_column("runs", sa.Column("notes", sa.String, nullable=False, server_default=""))
    op.create_table(
        "saved_models",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("task", sa.String, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("active", sa.Integer),
        sa.Column("trashed", sa.Double),
    )
    op.create_table(
        "versions",
        sa.Column("saved_model_id", sa.String, sa.ForeignKey("saved_models.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.String, sa.ForeignKey("runs.id"), nullable=False, index=True),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("notes", sa.String, nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False, unique=True),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("used", sa.Double),
    )
