"""Log-ins of staff: forms, limits and lock-outs of failures, password hashing, sessions."""
