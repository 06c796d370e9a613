"""Requests and responses of the JSON API: strict input, prepared output."""
