"""Forms that act once: the tokens of the admin's forms, and uploads that are to be confirmed."""
