"""Does a window differ from what came before, and how? Statistics alone: no state, no clock, no Bytewax."""
