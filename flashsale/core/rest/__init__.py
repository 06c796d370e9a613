"""Requests and answers of a JSON API: strict input, prepared output."""
