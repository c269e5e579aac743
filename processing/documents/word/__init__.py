"""The body of a Word document as pages of Markdown."""
