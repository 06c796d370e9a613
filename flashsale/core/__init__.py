"""What every app may import."""
