"""What people say about alerts: marks, in a file of JSON lines or in a Delta table.

A mark says that texts like its text are ``expected`` or ``real``. Everything here is a function of the marks
and of the end of a window, so a replay gives the same decisions.
"""
