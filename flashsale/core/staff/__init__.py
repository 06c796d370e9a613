"""Shared by the admin pages of all apps."""
