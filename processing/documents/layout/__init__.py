"""From pieces of text and where they stand to Markdown in reading order. Geometry alone: no PDF, no recognition.

words ─▶ pieces ─▶ margins left out ─▶ columns in order ─▶ tables found ─▶ Markdown
"""
