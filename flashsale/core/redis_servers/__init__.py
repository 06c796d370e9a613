"""Which Valkey/Redis to connect to: the one server that a URL names, or the master that its sentinels know."""
