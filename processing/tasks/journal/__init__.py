"""What happens while a task runs, written down for those who watch it, and forgotten some minutes after its end."""
