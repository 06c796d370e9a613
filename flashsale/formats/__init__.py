"""How values are written on pages for people (Django's `FORMAT_MODULE_PATH`)."""
