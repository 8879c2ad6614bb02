"""Flight delays of 2013 from New York: the whole loop on real data."""
