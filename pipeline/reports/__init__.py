"""What notebooks show and reports are made of: pictures, sheets, the page that links all reports."""
