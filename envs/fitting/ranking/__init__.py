"""Whether fitted users rank policies as real ones do."""
