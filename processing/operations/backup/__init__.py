"""Backups: one verified archive of database, documents and what they need, and the way back."""
