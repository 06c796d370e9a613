"""The web server: how it stops, and what applies to every response (unread bodies, error pages, what may be loaded)."""
