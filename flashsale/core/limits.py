"""The largest numbers that columns can hold."""

# PostgreSQL `integer` and `bigint`.
MAX_INTEGER = 2**31 - 1
MAX_ID = 2**63 - 1
