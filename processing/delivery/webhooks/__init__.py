"""Webhooks: what happened is sent, signed, to where its owner wants it (standardwebhooks.com).

An event becomes a row for each receiver (`messages`), in the transaction that takes the event up; the deliverer of any
host sends what is due (`deliverer`, `sending`), and tries again by `schedule` until the receiver has taken it.
"""
