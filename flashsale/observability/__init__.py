"""What operators see: logs, metrics, health and the workers' heartbeats."""
