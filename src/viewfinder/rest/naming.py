"""Other names for what is in the library, and notes on it, as they are asked for."""

from pydantic import BaseModel, ConfigDict, Field


class NameRequest(BaseModel):
    """Another name."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Which digit?"}]})
    name: str = Field(min_length=1, max_length=200)


class NotesRequest(BaseModel):
    """Other notes, in place of those there are."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"notes": "One more layer."}]})
    notes: str = Field(max_length=10_000)
