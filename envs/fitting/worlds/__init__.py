"""Several worlds from one log, to train across and to test in."""
