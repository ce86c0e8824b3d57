"""Citewell in a browser tab: a chat in which every sentence is one click from its evidence."""
