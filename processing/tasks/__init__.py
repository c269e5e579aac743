"""The task and the verbs that change it."""
