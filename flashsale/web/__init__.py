"""What surrounds every request: the server's processes, unread bodies, error pages, Content-Security-Policy."""
