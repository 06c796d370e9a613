"""Idempotent forms of the admin: their tokens, and uploads that await confirmation."""
