"""An embedded data set that the project draws itself: everyday objects, alone and in scenes."""
