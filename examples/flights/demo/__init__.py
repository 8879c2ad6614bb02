"""The story of ``make demo``: one model's life from January to October 2013."""
