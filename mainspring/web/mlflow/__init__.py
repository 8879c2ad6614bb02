"""The MLflow REST face: requests of MLflow's clients, translated into the verbs of tracking and versioning.

``dispatch`` finds the endpoint, decodes the request and encodes the answer; ``problem`` turns errors into MLflow's; every
other file translates one family of endpoints and lists them in ``ENDPOINTS``. There is no logic of the platform here.
"""
