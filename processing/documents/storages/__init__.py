"""Storages that are reached over the network, each as django-storages speaks to it, with bounds on time and memory."""
