"""What a person does in a browser; a package, so that JupyterLab and Chromium end with its last test."""
