"""The service: in a hub the sole owner of a project's store; it gives each caller their own work and nothing else.

`pipeline.service.app.create_app` makes the application; until then this package imports no web framework.
"""
