"""How long one question to a provider may take, in seconds."""

# What a request of a buyer spends on the provider, its slot included.
REQUEST_SECONDS = 3.0
# However long the rest took.
MIN_REQUEST_SECONDS = 0.5
# How long a request may wait for its slot.
SLOT_SECONDS = 1.5
# More than a slow provider takes: a repeated request with the same key is refused while the first one runs.
TASK_TIMEOUT_SECONDS = 25.0
