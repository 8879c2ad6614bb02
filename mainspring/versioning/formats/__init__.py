"""How models are written and read: one module a format, a table of them in ``formats.registry``."""

__all__ = ["joblib", "lightgbm", "native", "onnx", "policy", "registry", "skops", "trees", "xgboost"]
