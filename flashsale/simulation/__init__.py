"""A crowd of shoppers and a payment provider with bad habits, against the running server over real HTTP."""
