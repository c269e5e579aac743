"""How well documents are read and answered, over a corpus of foreign documents. Not tests: they pass or fail no build."""
