from a2wsgi import WSGIMiddleware
import wsgi_apps
app=WSGIMiddleware(wsgi_apps.application)
