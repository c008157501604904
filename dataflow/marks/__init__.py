"""What people say about alerts: marks, which a file of JSON lines holds.

A mark says that texts like its text are ``expected`` or ``real``. Everything here is a function of the lines
of the file and of the end of a window, so a replay gives the same decisions.
"""
