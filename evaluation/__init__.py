"""How well documents are read, measured on documents that nobody here wrote."""
