"""Shared by management commands: strict arguments, and interrupts at safe points."""
