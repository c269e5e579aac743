"""What a document is: identified, kept, and read in a sandbox into numbered pages of Markdown."""
