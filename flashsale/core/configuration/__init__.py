"""What a deployment chooses, read and checked."""
