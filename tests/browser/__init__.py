"""What a person does in a browser. It is a package, so that JupyterLab and Chromium end with its last test."""
