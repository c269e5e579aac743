"""English: days and hours so that a list of them is read, and compared, at a glance."""
