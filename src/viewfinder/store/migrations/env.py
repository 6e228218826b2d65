"""How Alembic runs the migrations: on the connection that the store hands it."""

from alembic import context

from viewfinder.store.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
