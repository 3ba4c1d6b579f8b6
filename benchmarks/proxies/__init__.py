"""One file for each proxy: how it is told to do what all of them do here."""
