"""What other projects' programs need, each in an environment of its own; whoever names the same shares it."""

MLFLOW = ("mlflow==3.17.2", "scikit-learn", "boto3")
MLFLOW_2 = ("mlflow==2.22.1", "scikit-learn", "setuptools<81", "sqlalchemy<2.1", "boto3")
