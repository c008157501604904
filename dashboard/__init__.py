"""The live page: a web server that reads the outputs of a flow and shows them while they grow.

It runs outside the flow and changes nothing but the file of marks. ``python -m dashboard --help`` says how to
start it.
"""
