"""Tests of processing.delivery."""
