"""The service: sole owner of a project's store in a hub, one annotator's own work for each caller, nothing else.

`pipeline.service.app.create_app` makes the application; this package imports no web framework until then.
"""
