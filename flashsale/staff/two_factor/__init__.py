"""Two-factor log-in: each member of staff enrols an authenticator app; it counts once a code of it was entered."""
