"""What keeps a backup from being made, or an archive from being restored."""

from __future__ import annotations


class BackupFailedError(Exception):
    """No archive was made, and nothing is left of the attempt; the message is a sentence for a person."""


class RestoreRefusedError(Exception):
    """The archive was not restored, and the data are as they were; the message is a sentence for a person."""
