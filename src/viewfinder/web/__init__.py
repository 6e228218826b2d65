"""The pages: a thin edge over the service. Page functions only await; nothing of a user is kept here."""
