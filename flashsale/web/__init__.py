"""The web server's own parts."""
