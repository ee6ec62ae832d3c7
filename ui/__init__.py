"""The assistant in a browser and over HTTP."""

import os

# Gradio reads it when it is imported. Nothing leaves the machine unless the user names an endpoint.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
