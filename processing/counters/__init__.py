"""The totals of what happened, kept in the database by whoever changes its rows, and told by `operations`."""
