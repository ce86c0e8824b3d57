"""Imported by every Python that a test starts, before anything else: see network_guard."""

import network_guard

network_guard.install()
