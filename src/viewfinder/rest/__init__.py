"""The REST API: a thin edge over the service."""
