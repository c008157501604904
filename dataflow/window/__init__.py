"""Events to whole windows."""
