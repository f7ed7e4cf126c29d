"""What notebooks show and what reports are made of: figures, sheets, and the page that links all reports."""
