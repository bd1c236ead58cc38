"""What commands print, a module for each thing shown.

Texts that came from outside are shown with control characters escaped (base/text.py), so that a log
line cannot steer the terminal.
"""
