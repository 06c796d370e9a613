"""The configuration of a deployment, parsed and checked."""
