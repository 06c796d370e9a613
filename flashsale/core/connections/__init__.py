"""Connections to PostgreSQL: a database backend for servers that fail over, and checks of what they have."""
