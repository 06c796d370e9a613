"""The web server and what applies to every response: unread bodies, error pages, Content-Security-Policy."""
