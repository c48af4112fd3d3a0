"""Think about one question: what is asked, the search, and its tree while it grows."""
