"""What a waiting room costs: joins, and the page that a crowd polls."""
