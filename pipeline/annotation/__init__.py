"""Events of annotation, what they imply, and the protocol of sessions: pure, light, shared with the browser half."""
